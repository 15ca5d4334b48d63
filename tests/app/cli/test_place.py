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


def test_where_the_host_has_none_it_is_the_bundle_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(tmp_path / "host.toml"))
    monkeypatch.setattr("app.cli.place.LOCAL", tmp_path / "local")
    with pytest.raises(Invalid) as caught:
        _ = Place().settings
    assert str(tmp_path / "host.toml") in caught.value.public
    (tmp_path / "local").mkdir()
    (tmp_path / "local/mailstead.toml").write_text('hostname = "localhost"\n')
    assert Place().settings.hostname == "localhost"
    (tmp_path / "host.toml").write_text('hostname = "mx.a.example"\n')
    assert Place().settings.hostname == "mx.a.example"
