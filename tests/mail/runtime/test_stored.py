from pathlib import Path

import pytest

from mail.config import settings as config
from mail.errors import WrongVersion
from mail.runtime.stored import open_store, open_stored
from mail.store import migrate


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mailstead.toml"
    path.write_text(f'hostname = "mx.example"\ndata_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}"\n')
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(path))
    (tmp_path / "state").mkdir()
    return path


def migrated(settings_file: Path) -> None:
    store = open_store(config.load_file(settings_file))
    try:
        migrate.upgrade(store)
    finally:
        store.close()


def test_a_stored_world_reads_and_writes_the_database(settings_file: Path):
    migrated(settings_file)
    with open_stored("imap") as world:
        with world.store.write() as tx:
            tx.exec_driver_sql("select 1")
        with world.store.read() as connection:
            assert connection.exec_driver_sql("select count(*) from account").scalar() == 0
        assert list(world.blobs.stored()) == []


def test_a_database_without_our_schema_is_refused(settings_file: Path):
    with pytest.raises(WrongVersion), open_stored("imap"):
        pass
