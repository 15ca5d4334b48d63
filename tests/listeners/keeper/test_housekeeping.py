"""Litter goes, mail stays; the log is moved into the database and begun anew."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from listeners.keeper import housekeeping
from listeners.keeper.housekeeping import LITTER_SECONDS, WAL_PAGES
from mail.now import SetClock
from mail.store.blobs import Staged
from mail.store.engine import Store
from tests.keeper_office import Office, asked, delivery, letter, memory

LARGE = 20_000


@pytest.fixture
async def office(sqlite_store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    sqlite_store._checkpointer = True
    made = Office(sqlite_store, tmp_path, clock)
    made.start()
    yield made
    made.close()


def stray(office: Office) -> Staged:
    octets = letter(1, LARGE)
    descriptor = memory(octets)
    staged = office.blobs.stage(descriptor, len(octets), office.blobs.current_folder())
    os.close(descriptor)
    office.blobs.finish(staged)
    return staged


def age(path: Path) -> None:
    past = time.time() - LITTER_SECONDS - 60
    os.utime(path, (past, past))


async def test_the_sweep_takes_what_no_row_names_once_it_is_old(office: Office) -> None:
    kept = (await asked(office, "deliver", delivery(letter(2, LARGE), "ann@a.example"), letter(2, LARGE)))["blob"]
    old, young = stray(office), stray(office)
    age(office.blobs.path / old.folder / old.id)
    for _, name in list(office.blobs.stored()):
        if name == kept:
            age(office.blobs.path / old.folder / name)
    office.housekeeper.sweep()
    assert {name for _, name in office.blobs.stored()} == {kept, young.id}
    assert office.wrong() == [] and "swept-strays" in office.logged()


@pytest.mark.parametrize("size", [500, LARGE])
async def test_the_blob_of_removed_messages_goes_row_first(office: Office, size: int) -> None:
    octets = letter(3, size)
    gone = (await asked(office, "deliver", delivery(octets, "ann@a.example"), octets))["blob"]
    kept = (await asked(office, "deliver", delivery(octets, "bob@a.example"), octets))["blob"]
    with office.store.write() as tx:
        for table in ("message", "arrival"):
            tx.execute(text(f"DELETE FROM {table} WHERE blob_id = :id"), {"id": gone})
        tx.execute(text("UPDATE mailbox SET messages = 0, unseen = 0, size = 0 WHERE account_id = 1"))
        tx.execute(text("UPDATE account SET size = 0 WHERE id = 1"))
    office.housekeeper.sweep()
    assert office.wrong() == []
    with office.store.read() as connection:
        assert set(connection.execute(text("SELECT id FROM blob")).scalars()) == {gone, kept}, "too young"
    office.clock.move(LITTER_SECONDS + 60)
    office.housekeeper.sweep()
    with office.store.read() as connection:
        assert set(connection.execute(text("SELECT id FROM blob")).scalars()) == {kept}
    assert {name for _, name in office.blobs.stored()} <= {kept}
    assert office.wrong() == [] and [body for _, body in office.stored(office.bob)][0].endswith(octets)


def test_the_start_takes_everything_a_dead_keeper_was_writing(office: Office) -> None:
    (office.blobs.temporary / "half").write_bytes(b"x")
    office.housekeeper.after_start()
    assert os.listdir(office.blobs.temporary) == []


async def fill_log(office: Office, octets: int) -> None:
    number = 0
    while office.store.wal_size() < octets:
        number += 1
        body = letter(number, 15_000)
        await asked(office, "deliver", delivery(body, "ann@a.example"), body)


async def test_the_log_is_emptied_when_nobody_writes_any_more(office: Office) -> None:
    await fill_log(office, WAL_PAGES * 4096 + 1)
    office.housekeeper.checkpoint()
    assert office.store.wal_size() > 0, "somebody wrote since the last look"
    office.housekeeper.checkpoint()
    assert office.store.wal_size() == 0
    # And a short one is left alone.
    await fill_log(office, 1)
    for _ in range(3):
        office.housekeeper.checkpoint()
    assert office.store.wal_size() > 0
    assert office.wrong() == []


async def test_the_log_does_not_grow_for_ever_under_steady_writing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "WAL_RESTART", 1 << 20)
    monkeypatch.setattr(housekeeping, "WAL_PAGES", 100)
    await fill_log(office, 2 << 20)
    most = office.store.wal_size()
    for number in range(300):
        body = letter(number, 15_000)
        await asked(office, "deliver", delivery(body, "ann@a.example"), body)
        if number % 30 == 0:
            office.housekeeper.checkpoint()
    assert office.store.wal_size() <= 2 * most


async def test_a_reader_that_stays_keeps_the_log_and_is_told_of(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "WAL_ALARM", 1 << 20)
    monkeypatch.setattr(housekeeping, "WAL_PAGES", 10)
    with office.store.read() as connection:
        connection.execute(text("SELECT count(*) FROM message")).scalar_one()
        await fill_log(office, 1 << 20)
        await fill_log(office, (1 << 20) + 1)
        for _ in range(3):
            office.housekeeper.checkpoint()
        assert office.store.wal_size() > 1 << 20
    assert office.logged().count("wal-large") == 1
    office.housekeeper.checkpoint()
    assert office.store.wal_size() == 0


def test_the_thread_ends_when_it_is_told(office: Office) -> None:
    office.housekeeper.start()
    office.housekeeper.stop()
    assert office.store.wal_size() == 0
