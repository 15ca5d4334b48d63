"""The routing tables as a file, and as a listener sees it."""

import os
from pathlib import Path

import pytest

from mail.accounts import snapshot
from mail.accounts.routing import AccountRule, AddressRule, AliasRule, DomainRule, Tables
from mail.accounts.snapshot import Routing
from mail.address import parse_address
from mail.errors import Unavailable
from mail.now import SetClock

DOMAINS = (DomainRule("a.example", False, "+-", False), DomainRule("case.example", False, "+", True))
ACCOUNTS = (AccountRule(3, "ann", ""), AccountRule(5, "bob", "gone fishing"))
ADDRESSES = (
    AddressRule(3, "a.example", "ann", "Ann", "Inbox", "", "550 away", "Sign it"),
    AddressRule(5, "case.example", "", "", "Lists"),
)
ALIASES = (AliasRule(1, "a.example", "team", "Team", False, True, False, ("ann@a.example", "x@far.example")),)
TABLES = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, ALIASES, hostname="mx.example", generation=4)


def test_the_snapshot_says_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "routing/routing.json"
    snapshot.write(path, TABLES)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["routing.json"]
    found = Routing(path, clock=SetClock())
    assert found.tables == TABLES
    assert found.is_local("a.example") and found.is_local("mx.example") and not found.is_local("b.example")
    assert found.domain("case.example") == DOMAINS[1]
    assert found.login_disabled(5) == "gone fishing" and found.login_disabled(3) == found.login_disabled(99) == ""
    assert found.owns(3, parse_address("ann@a.example")) and found.account_for_login("ann") == (3, "ann")


def test_a_change_is_seen_after_a_second_and_not_looked_for_before(tmp_path: Path) -> None:
    path, clock = tmp_path / "routing.json", SetClock()
    found = Routing(path, clock=clock)
    with pytest.raises(Unavailable):
        found.lookup(parse_address("ann@a.example"))
    snapshot.write(path, Tables.build(DOMAINS, ACCOUNTS, ()))
    # One that was missing is looked for at once.
    assert found.lookup(parse_address("ann@a.example")) is None
    snapshot.write(path, TABLES)
    clock.move(0.9)
    assert found.lookup(parse_address("ann@a.example")) is None
    clock.move(0.2)
    assert found.lookup(parse_address("ann@a.example")) is not None
    snapshot.write(path, Tables.build(DOMAINS, ACCOUNTS, ()))
    found.refresh()
    assert found.lookup(parse_address("ann@a.example")) is None
    # What we have is kept when the file goes.
    os.unlink(path)
    clock.move(2)
    assert found.is_local("a.example")
