from pathlib import Path

import pytest

from app.cli.place import Place
from mail.errors import Invalid


def test_without_settings_the_file_is_named(tmp_path: Path):
    with pytest.raises(Invalid) as caught:
        _ = Place(tmp_path).settings
    assert str(tmp_path / "mailstead.toml") in caught.value.public


def test_without_a_folder_the_settings_are_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "host.toml").write_text('hostname = "mx.a.example"\n')
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(tmp_path / "host.toml"))
    assert Place().settings.hostname == "mx.a.example"
