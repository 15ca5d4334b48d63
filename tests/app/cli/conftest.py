from pathlib import Path

import pytest


@pytest.fixture
def no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed."""
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(tmp_path / "none.toml"))
