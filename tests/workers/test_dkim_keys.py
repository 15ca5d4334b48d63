"""The chore of the keys, with a sign process beside it and on both databases."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mail.dkim.lifecycle import State
from mail.log import Log
from mail.now import SetClock, SystemClock
from mail.store import accounts, dkim_keys
from mail.store.changes import changing
from mail.store.dkim_keys import KeyRow
from mail.store.engine import Store
from tests.sign_beside import SignBeside, sign_beside
from workers.dkim_keys import YOUNG_MS, KeyWork


@pytest.fixture
def clock() -> SetClock:
    """Files of keys are made now."""
    return SetClock(SystemClock().wall_ms())


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[SignBeside]:
    with sign_beside(tmp_path) as made:
        yield made


@pytest.fixture
def work(store: Store, clock: SetClock, tmp_path: Path, beside: SignBeside) -> KeyWork:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "a.example", 1)
    world = SimpleNamespace(
        store=store,
        clock=clock,
        settings=beside.settings,
        log=Log(descriptor=os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)),
    )
    return KeyWork(world)  # type: ignore[arg-type]


def add(store: Store, beside: SignBeside, selector: str, state: State) -> KeyRow:
    record = beside.sign.keyring.make_record("a.example", selector, "ed25519")
    with store.write() as tx:
        return dkim_keys.add_key(tx, "a.example", selector, kind="ed25519", record=record, state=state, now=1)


def test_what_was_replaced_is_retired_in_its_time_and_its_key_goes(
    store: Store, clock: SetClock, beside: SignBeside, work: KeyWork
):
    old = add(store, beside, "old", State.ACTIVE)
    add(store, beside, "new", State.ACTIVE)
    add(store, beside, "next", State.NEXT)
    with store.write() as tx:
        dkim_keys.change_state(tx, [old], "replace", 1, retire_at=clock.wall_ms() + 1000)
    assert work.tidy() == 0
    clock.move(1)
    assert work.tidy() == 2
    assert beside.selectors() == ["new.a.example", "next.a.example"]
    with store.read() as connection:
        assert dkim_keys.find_key(connection, "a.example", "old").state == "retired"
    assert work.tidy() == 0


def test_a_key_nobody_knows_goes_once_it_is_not_young(store: Store, clock: SetClock, beside: SignBeside, work: KeyWork):
    beside.sign.keyring.make("gone.example", "one", "ed25519")
    assert work.tidy() == 0
    clock.move(YOUNG_MS / 1000 + 1)
    assert work.tidy() == 1 and beside.selectors() == []


def test_without_the_sign_process_selectors_are_retired_all_the_same(
    store: Store, clock: SetClock, beside: SignBeside, work: KeyWork, tmp_path: Path
):
    old = add(store, beside, "old", State.ACTIVE)
    with store.write() as tx:
        dkim_keys.change_state(tx, [old], "replace", 1, retire_at=clock.wall_ms())
    answering = beside.settings.sign_socket.rename(tmp_path / "elsewhere.sock")
    assert work.tidy() == 1 and beside.selectors() == ["old.a.example"]
    assert "keys-not-looked-at" in (tmp_path / "log").read_text()
    answering.rename(beside.settings.sign_socket)
    assert work.tidy() == 1 and beside.selectors() == []
