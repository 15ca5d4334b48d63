import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from mail.errors import Bug, WrongVersion
from mail.store.engine import Store, check_sqlite_version
from mail.store.schema import domain

ROW = {"name": "a.example", "disabled": False, "catchall_separators": "", "localpart_case_sensitive": False}


def names(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(domain.c.name)).scalars())


def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="stop"), store.write() as tx:
        tx.execute(insert(domain), {**ROW, "created_at": 1})
        raise ValueError("stop")
    assert names(store) == []


def test_a_reader_sees_one_snapshot(store: Store) -> None:
    with store.read() as connection:
        assert connection.execute(select(domain.c.name)).all() == []
        with store.write() as tx:
            tx.execute(insert(domain), {**ROW, "created_at": 1})
        assert connection.execute(select(domain.c.name)).all() == []
    assert names(store) == ["a.example"]


def test_a_store_of_before_a_fork_cannot_be_used_after_it(sqlite_store: Store) -> None:
    child = os.fork()
    if not child:
        try:
            with sqlite_store.read():
                os._exit(1)
        except Bug:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_concurrent_increments_are_all_there(store: Store) -> None:
    with store.write() as tx:
        tx.execute(insert(domain), {**ROW, "created_at": 0})

    def increment() -> None:
        for _ in range(25):
            with store.write() as tx:
                locked = select(domain.c.created_at).with_for_update()
                value = tx.execute(locked).scalar_one()
                tx.execute(domain.update().values(created_at=value + 1))

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.execute(select(domain.c.created_at)).scalar_one() == 100


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 46, 0), (3, 50, 6), (3, 51, 2), (3, 44, 5)])
def test_sqlite_with_the_wal_fault_is_refused(version: tuple[int, ...]) -> None:
    with pytest.raises(WrongVersion, match="can corrupt"):
        check_sqlite_version(version)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (3, 50, 7), (3, 44, 6)])
def test_sqlite_without_it_is_taken(version: tuple[int, ...]) -> None:
    check_sqlite_version(version)


def test_every_commit_is_synced_and_nobody_checkpoints_by_accident(sqlite_store: Store, tmp_path: Path) -> None:
    with sqlite_store.write() as tx:
        pragmas = {
            name: tx.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "wal_autocheckpoint": 0}
    with pytest.raises(Bug, match="checkpoint"):
        sqlite_store.checkpoint()
