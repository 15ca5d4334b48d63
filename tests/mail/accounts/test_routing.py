"""Who takes mail for an address, who may send as it, and the snapshot that says so."""

import os
from pathlib import Path

import pytest

from mail.accounts import routing
from mail.accounts.routing import AccountRule, AddressRule, DomainRule, Routing, Tables
from mail.address import Address, parse_address
from mail.errors import Unavailable
from mail.now import SetClock

DOMAINS = (DomainRule("a.example", False, "+-", False), DomainRule("case.example", False, "+", True))
ACCOUNTS = (AccountRule(3, "ann", ""), AccountRule(5, "bob", "gone fishing"))
ADDRESSES = (
    AddressRule(3, "a.example", "ann", "Ann", "Inbox"),
    AddressRule(3, "a.example", "ann-marie", "ann-marie", "Inbox"),
    AddressRule(5, "a.example", "straße".casefold(), "Straße", "Inbox"),
    AddressRule(5, "case.example", "", "", "Lists"),
    AddressRule(3, "case.example", "Ann", "Ann", "Inbox"),
)
TABLES = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, hostname="mx.example", generation=4)


def account_at(text: str, tables: Tables = TABLES) -> str | None:
    route = tables.lookup(parse_address(text))
    return route.account if route else None


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("ann@a.example", "ann"),
        ("ANN@a.example", "ann"),
        ("ann+lists@a.example", "ann"),
        ("ann-lists+more@a.example", "ann"),
        ("+ann@a.example", None),
        ("STRASSE@a.example", "bob"),
        ("nobody@a.example", None),
        ("ann@b.example", None),
        ("Ann@case.example", "ann"),
        ("Ann+x@case.example", "ann"),
        ("ann@case.example", "bob"),
    ],
)
def test_an_address_is_found_by_the_rules_of_its_domain(address: str, account: str | None) -> None:
    assert account_at(address) == account


def test_an_address_that_contains_a_separator_comes_before_the_part_behind_it() -> None:
    tables = Tables.build(
        DOMAINS, ACCOUNTS, (*ADDRESSES, AddressRule(5, "a.example", "ann+bills", "ann+bills", "Bills"))
    )
    route = tables.lookup(parse_address("ann+bills@a.example"))
    assert route is not None and (route.account, route.mailbox) == ("bob", "Bills")


def test_a_catchall_keeps_the_address_that_was_asked_for() -> None:
    route = TABLES.lookup(parse_address("anything@case.example"))
    assert route is not None and (route.mailbox, route.address) == ("Lists", "anything@case.example")
    route = TABLES.lookup(parse_address("ANN+x@a.example"))
    assert route is not None and route.address == "Ann@a.example"


def test_postmaster_is_never_unknown() -> None:
    assert account_at("PostMaster@a.example") == "ann"
    assert account_at("POSTMASTER@mx.example") == "ann"
    assert account_at("someone@mx.example") is None
    assert account_at("postmaster@unconfigured.example") is None
    # The catchall beats the rule; an address of its own beats the catchall, whatever its case.
    assert account_at("postmaster@case.example") == "bob"
    own = AddressRule(3, "case.example", "postmaster", "postmaster", "Inbox")
    tables = Tables.build(DOMAINS, ACCOUNTS, (*ADDRESSES, own))
    assert account_at("Postmaster@case.example", tables) == "ann"


def test_postmaster_goes_to_whoever_is_postmaster_elsewhere() -> None:
    tables = Tables.build(DOMAINS, ACCOUNTS, (AddressRule(5, "case.example", "postmaster", "postmaster", "Post"),))
    route = tables.lookup(Address("postmaster", "a.example"))
    assert route is not None and (route.account, route.mailbox) == ("bob", "Post")
    assert Tables.build(DOMAINS, (), ()).lookup(Address("postmaster", "a.example")) is None


def test_the_local_bundle_takes_everything_into_its_account() -> None:
    tables = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, default_account="bob")
    assert account_at("anyone@anywhere.example", tables) == "bob"
    assert account_at("nobody@a.example", tables) == "bob"
    assert account_at("ann@a.example", tables) == "ann"


def test_an_account_may_send_as_its_addresses_alone() -> None:
    assert TABLES.owns(3, parse_address("ann+x@a.example"))
    assert not TABLES.owns(5, parse_address("ann@a.example"))
    assert TABLES.owns(5, parse_address("whatever@case.example"))
    assert not TABLES.owns(5, parse_address("Ann@case.example"))
    assert not TABLES.owns(3, parse_address("ann@b.example"))
    assert not TABLES.owns(3, parse_address("postmaster@a.example"))


def test_a_login_is_an_address_or_the_name_of_an_account() -> None:
    assert TABLES.account_for_login("ann@a.example") == (3, "ann")
    assert TABLES.account_for_login("bob") == (5, "bob")
    # The precomposed and the decomposed spelling are one name.
    tables = Tables.build(DOMAINS, (AccountRule(1, "ren\u00e9", ""),), ())
    assert tables.account_for_login("rene\u0301") == (1, "ren\u00e9")
    for unknown in ("", "@", "ann@", "nobody@a.example", "nobody", "a@b@c", "x" * 2000 + "@a.example"):
        assert TABLES.account_for_login(unknown) is None


def test_the_snapshot_says_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "routing/routing.json"
    routing.write(path, TABLES)
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
    routing.write(path, Tables.build(DOMAINS, ACCOUNTS, ()))
    # One that was missing is looked for at once.
    assert found.lookup(parse_address("ann@a.example")) is None
    routing.write(path, TABLES)
    clock.move(0.9)
    assert found.lookup(parse_address("ann@a.example")) is None
    clock.move(0.2)
    assert found.lookup(parse_address("ann@a.example")) is not None
    routing.write(path, Tables.build(DOMAINS, ACCOUNTS, ()))
    found.refresh()
    assert found.lookup(parse_address("ann@a.example")) is None
    # What we have is kept when the file goes.
    os.unlink(path)
    clock.move(2)
    assert found.is_local("a.example")
