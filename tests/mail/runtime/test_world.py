import subprocess
import sys
from pathlib import Path

import pytest

from mail.errors import Invalid
from mail.metrics import read_all
from mail.now import SystemClock
from mail.runtime.world import open_world, settings_path


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mailstead.toml"
    path.write_text(f'hostname = "mx.example"\ndata_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}"\n')
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(path))
    return path


def test_a_world_has_what_a_program_needs(settings_file: Path):
    with open_world("mx") as world:
        assert world.program == "mx"
        assert world.settings.hostname == "mx.example"
        assert isinstance(world.clock, SystemClock)
        world.metrics.counter("x_total", "X.").inc()
        (name,) = read_all(world.settings.metrics_dir)
        assert name.startswith("mx.")
    assert list((settings_file.parent / "metrics").iterdir()) == []


def test_the_settings_file_is_the_named_one_or_the_hosts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MAILSTEAD_SETTINGS", raising=False)
    assert settings_path() == Path("/etc/mailstead/mailstead.toml")
    monkeypatch.setenv("MAILSTEAD_SETTINGS", "/x.toml")
    assert settings_path() == Path("/x.toml")


def test_without_its_settings_nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(tmp_path / "none.toml"))
    with pytest.raises(Invalid), open_world("mx"):
        pass


@pytest.mark.parametrize("module", ["listeners.smtp.mx", "listeners.smtp.submission"])
def test_who_talks_to_strangers_has_no_database_in_memory(module: str):
    script = f"import sys, {module}; print([n for n in ('sqlalchemy', 'redis', 'rq', 'flask') if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
