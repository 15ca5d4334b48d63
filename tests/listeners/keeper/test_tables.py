"""The keeper's routing follows the database, and so does everyone else's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.accounts.routing import AliasRoute, Route
from mail.accounts.snapshot import Routing
from mail.address import parse_address
from mail.now import SetClock
from mail.policy.account_rules import AccountRules
from mail.store import accounts, aliases, incoming
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
    assert isinstance(route, Route) and route.account == "bob"
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


def test_what_accounts_want_is_kept_here_and_not_written_out(office: Office) -> None:
    path = office.folder / "routing/routing.json"
    written, before = path.stat().st_mtime_ns, office.tables.current.generation
    assert office.tables.incoming.rules_of(office.ann) == AccountRules()
    with changing(office.store, None, clock=office.clock) as changes:
        incoming.change_rules(changes.tx, office.ann, {"introbox": "New"})
        for rule in ('{"msg_from":"a","mailbox":"A"}', '{"msg_from":"b","mailbox":"B"}'):
            incoming.add_ruleset(changes.tx, "Ann@a.example", rule, incoming.json_object)
    assert office.tables.reload() == before and path.stat().st_mtime_ns == written
    found = office.tables.incoming
    assert found.rules_of(office.ann).introbox == "New" and found.rules_of(office.bob).introbox == ""
    rulesets = found.rulesets_of(office.ann, "a.example", "ann")
    assert [(one.msg_from, one.mailbox) for one in rulesets] == [("a", "A"), ("b", "B")]
    assert len({one.ruleset_id for one in rulesets} - {0}) == 2
    assert found.rulesets_of(office.ann, "a.example", "ann.too") == ()


def test_rules_nobody_knows_are_told_and_the_defaults_hold(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, incoming='{"from_the_future":1}')
    office.tables.reload()
    assert office.tables.incoming.rules_of(office.ann) == AccountRules()
    assert "account-rules-unknown" in office.logged()


def test_a_ruleset_nobody_knows_is_told_and_the_others_hold(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        for rule in ('{"from_the_future":1}', '{"msg_from":"b","mailbox":"B"}'):
            incoming.add_ruleset(changes.tx, "ann@a.example", rule, incoming.json_object)
    office.tables.reload()
    assert [one.mailbox for one in office.tables.incoming.rulesets_of(office.ann, "a.example", "ann")] == ["B"]
    assert "ruleset-unknown" in office.logged()


def test_an_alias_reaches_every_listener(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        aliases.add_alias(changes.tx, "team@a.example", ["ann@a.example", "x@far.example"], 1)
    office.tables.reload()
    listener = Routing(office.folder / "routing/routing.json", clock=office.clock)
    found = listener.lookup(parse_address("Team@a.example"))
    assert isinstance(found, AliasRoute) and found.members == ("ann@a.example", "x@far.example")
    assert listener.tables == office.tables.current
