"""Rules of accounts and rulesets of addresses, on both databases."""

import pytest

from mail.errors import Invalid, NotFound
from mail.now import SetClock
from mail.policy.account_rules import AccountRules
from mail.store import accounts, incoming
from mail.store.changes import changing
from mail.store.engine import Store


@pytest.fixture
def ann(store: Store, clock: SetClock) -> int:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "example.org", 1)
        ann = accounts.add_account(changes, "ann")
        for text in ("ann@example.org", "@example.org"):
            accounts.add_address(changes.tx, text, ann, 1)
    return ann


def checked(text: str) -> None:
    if text == "bad":
        raise Invalid(public="bad rule")


def test_rules_are_changed_one_by_one(store: Store, ann: int) -> None:
    with store.write() as tx:
        assert incoming.rules(tx, ann) == AccountRules() and incoming.all_rules(tx) == {}
        incoming.change_rules(tx, ann, {"junk_threshold": 0.5})
        assert incoming.change_rules(tx, ann, {"introbox": "New"}) == AccountRules(junk_threshold=0.5, introbox="New")
        assert incoming.all_rules(tx) == {ann: '{"junk_threshold":0.5,"introbox":"New"}'}
        with pytest.raises(Invalid, match="junk_threshold"):
            incoming.change_rules(tx, ann, {"junk_threshold": 2.0})
        incoming.change_rules(tx, ann, {"introbox": "", "junk_threshold": 0.95})
        assert incoming.all_rules(tx) == {}
        with pytest.raises(NotFound):
            incoming.rules(tx, 4711)


def rules(store: Store, text: str) -> list[str]:
    with store.read() as connection:
        found = incoming.list_rulesets(connection, text=text)
    assert [one.position for one in found] == list(range(1, len(found) + 1))
    return [one.rule for one in found]


def test_rulesets_have_an_order_that_can_be_changed(store: Store, ann: int) -> None:
    with store.write() as tx:
        made = [incoming.add_ruleset(tx, "ANN@example.org", rule, checked).id for rule in ("a", "b", "c")]
        incoming.add_ruleset(tx, "ann@example.org", "first", checked, position=1)
        incoming.add_ruleset(tx, "@example.org", "other", checked)
    assert rules(store, "ann@example.org") == ["first", "a", "b", "c"] and rules(store, "@example.org") == ["other"]
    with store.write() as tx:
        incoming.move_ruleset(tx, "ann@example.org", made[2], 2)
        assert incoming.move_ruleset(tx, "ann@example.org", made[0], 99).position == 4
        incoming.remove_ruleset(tx, "ann@example.org", made[1])
        assert len(incoming.list_rulesets(tx, account_id=ann)) == 4
    assert rules(store, "ann@example.org") == ["first", "c", "a"]
    with store.write() as tx:
        with pytest.raises(NotFound, match="no ruleset 99"):
            incoming.remove_ruleset(tx, "ann@example.org", 99)
        with pytest.raises(NotFound):
            incoming.remove_ruleset(tx, "@example.org", made[0])


def test_a_ruleset_that_is_none_is_refused(store: Store, ann: int) -> None:
    for rule, words in (("bad", "bad rule"), ("x" * 20_000, "octets")):
        with pytest.raises(Invalid, match=words), store.write() as tx:
            incoming.add_ruleset(tx, "ann@example.org", rule, checked)
    with pytest.raises(NotFound), store.write() as tx:
        incoming.add_ruleset(tx, "bob@example.org", "a", checked)
    with store.write() as tx:
        for _ in range(incoming.RULESETS_MAX):
            incoming.add_ruleset(tx, "@example.org", "a", checked)
        with pytest.raises(Invalid, match="the most"):
            incoming.add_ruleset(tx, "@example.org", "a", checked)


def test_rulesets_go_with_their_address_and_hold_it_in_its_account(store: Store, clock: SetClock, ann: int) -> None:
    with changing(store, None, clock=clock) as changes:
        bob = accounts.add_account(changes, "bob")
        incoming.add_ruleset(changes.tx, "ann@example.org", "a", checked)
    with pytest.raises(Invalid, match="has rulesets"), store.write() as tx:
        accounts.change_address(tx, "ann@example.org", account_id=bob)
    with store.write() as tx:
        accounts.remove_address(tx, "ann@example.org")
        assert incoming.list_rulesets(tx) == []
