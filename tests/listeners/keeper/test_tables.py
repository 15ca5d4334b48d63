"""The keeper's routing follows the database, and so does everyone else's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.accounts.snapshot import Routing
from mail.address import parse_address
from mail.now import SetClock
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store
from tests.keeper_office import Office


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    made = Office(store, tmp_path, clock)
    yield made
    made.close()


def test_a_change_in_the_database_is_a_new_generation_for_all(office: Office) -> None:
    path = office.folder / "routing/routing.json"
    listener = Routing(path, clock=office.clock)
    assert listener.lookup(parse_address("new@a.example")) is None
    first = office.tables.current.generation
    assert office.tables.reload() == first, "nothing changed"
    written = path.stat().st_mtime_ns
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.add_address(changes.tx, "new@a.example", office.bob, 1)
    assert office.tables.reload() == first + 1
    assert path.stat().st_mtime_ns != written
    listener.refresh()
    route = listener.lookup(parse_address("new@a.example"))
    assert route is not None and route.account == "bob"
    assert listener.tables == office.tables.current


def test_a_forced_reload_writes_although_nothing_changed(office: Office) -> None:
    path = office.folder / "routing/routing.json"
    path.unlink()
    assert office.tables.reload() == 1 and not path.exists()
    assert office.tables.reload(force=True) == 2 and path.exists()


def test_a_disabled_login_is_told_with_its_words(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, login_disabled="call us")
    office.tables.reload()
    assert office.tables.current.accounts[office.ann].login_disabled == "call us"
