"""A domain that compares localparts otherwise from now on."""

import pytest

from mail.errors import Invalid
from mail.now import SetClock
from mail.store import accounts, aliases, incoming
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.spelling import respell


@pytest.fixture
def ann(store: Store, clock: SetClock) -> int:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "example.org", 1)
        ann = accounts.add_account(changes, "ann")
        accounts.add_address(changes.tx, "Ann@example.org", ann, 1)
        accounts.add_address(changes.tx, "@example.org", ann, 1)
        aliases.add_alias(changes.tx, "Team-A@example.org", ["ann@example.org"], 1)
        incoming.add_ruleset(changes.tx, "ann@example.org", "{}", lambda text: None)
    return ann


def test_names_and_rulesets_follow_the_case_rule(store: Store, ann: int) -> None:
    with store.write() as tx:
        assert respell(tx, "example.org", case_sensitive=True).localpart_case_sensitive
        assert accounts.find_address(tx, "Ann@example.org").localpart == "Ann"
        assert aliases.find_alias(tx, "Team-A@example.org").localpart == "Team-A"
        assert [one.localpart for one in incoming.list_rulesets(tx)] == ["Ann"]
        accounts.add_address(tx, "ann@example.org", ann, 1)
    with pytest.raises(Invalid, match="same as another"), store.write() as tx:
        respell(tx, "example.org", case_sensitive=False)
    with store.write() as tx:
        accounts.remove_address(tx, "ann@example.org")
        respell(tx, "example.org", case_sensitive=False)
        assert accounts.find_address(tx, "ANN@example.org").localpart == "ann"
        assert [one.localpart for one in incoming.list_rulesets(tx)] == ["ann"]


def test_a_separator_that_would_cut_a_name_is_refused(store: Store, ann: int) -> None:
    with pytest.raises(Invalid, match="Team-A@example.org contains -"), store.write() as tx:
        respell(tx, "example.org", separators="+-")
    with store.write() as tx:
        row = respell(tx, "example.org", separators="_=")
    assert (row.catchall_separators, row.localpart_case_sensitive) == ("_=", False)
    with pytest.raises(Invalid, match="separators"), store.write() as tx:
        respell(tx, "example.org", separators="x")
