"""Aliases and their members, by the rules of features B02, on both databases."""

import pytest

from mail.accounts.routing import AliasRule
from mail.errors import BadAddress, Exists, Invalid, NotFound
from mail.now import SetClock
from mail.store import accounts, aliases
from mail.store.changes import changing
from mail.store.engine import Store


@pytest.fixture
def ann(store: Store, clock: SetClock) -> int:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "example.org", 1)
        ann = accounts.add_account(changes, "ann")
        for name in ("Ann", "bob"):
            accounts.add_address(changes.tx, f"{name}@example.org", ann, 1)
    return ann


def add(store: Store, text: str, *members: str, **more: bool) -> AliasRule:
    with store.write() as tx:
        return aliases.add_alias(tx, text, members, 1, **more)


def test_an_alias_has_members_here_and_elsewhere(store: Store, ann: int) -> None:
    made = add(store, "Team@example.org", "ANN@example.org", "Carl@B\u00fccher.example", allow_from=True)
    assert made.address == "Team@example.org" and made.localpart == "team"
    # Here as the owner wrote it, elsewhere as it was given.
    assert made.members == ("Ann@example.org", "Carl@xn--bcher-kva.example")
    assert (made.post_public, made.list_members, made.allow_from) == (True, False, True)
    with store.write() as tx:
        assert not aliases.change_alias(tx, "team@example.org", post_public=False).post_public
        assert [one.address for one in aliases.list_aliases(tx)] == ["Team@example.org"]
        assert aliases.list_aliases(tx, domain_name="other.example") == []
        with pytest.raises(NotFound, match="nobody@example.org"):
            aliases.find_alias(tx, "nobody@example.org")


def test_addresses_and_aliases_share_their_names(store: Store, ann: int) -> None:
    with pytest.raises(Exists, match="Ann@example.org of account ann"):
        add(store, "ann@example.org", "bob@example.org")
    add(store, "Team@example.org", "bob@example.org")
    for text in ("TEAM@example.org", "team@example.org"):
        with pytest.raises(Exists, match="the alias Team@example.org"):
            add(store, text, "bob@example.org")
        with pytest.raises(Exists, match="the alias Team@example.org"), store.write() as tx:
            accounts.add_address(tx, text, ann, 1)
    with pytest.raises(Invalid, match="looks like"):
        add(store, "\u0442\u0435\u0430\u043c@example.org", "bob@example.org")


def test_what_cannot_be_an_alias_is_refused(store: Store, ann: int) -> None:
    with pytest.raises(Invalid, match="at least one member"):
        add(store, "team@example.org")
    with pytest.raises(BadAddress, match="catchall"):
        add(store, "@example.org", "bob@example.org")
    with pytest.raises(Invalid, match="separates"):
        add(store, "team+x@example.org", "bob@example.org")
    with pytest.raises(NotFound, match="carl@example.org"):
        add(store, "team@example.org", "carl@example.org")
    with pytest.raises(NotFound, match="other.example"):
        add(store, "team@other.example", "bob@example.org")


def test_members_come_and_go_but_the_last_stays(store: Store, ann: int) -> None:
    add(store, "team@example.org", "ann@example.org")
    with store.write() as tx:
        made = aliases.add_members(tx, "team@example.org", ["bob@example.org", "x@far.example"], 1)
        assert made.members == ("Ann@example.org", "bob@example.org", "x@far.example")
        with pytest.raises(Exists, match="bob@example.org"):
            aliases.add_members(tx, "team@example.org", ["BOB@example.org"], 1)
        with pytest.raises(Invalid, match="of itself"):
            aliases.add_members(tx, "team@example.org", ["Team@example.org"], 1)
        with pytest.raises(NotFound, match="no member"):
            aliases.remove_members(tx, "team@example.org", ["y@far.example"])
        with pytest.raises(Invalid, match="no member left"):
            aliases.remove_members(tx, "team@example.org", ["ann@example.org", "bob@example.org", "x@far.example"])
        made = aliases.remove_members(tx, "team@example.org", ["ANN@example.org", "x@far.example"])
        assert made.members == ("bob@example.org",)


def test_a_removed_address_leaves_its_aliases_unless_it_is_the_last(store: Store, ann: int) -> None:
    add(store, "team@example.org", "ann@example.org", "bob@example.org")
    with store.write() as tx:
        accounts.remove_address(tx, "bob@example.org")
        assert aliases.find_alias(tx, "team@example.org").members == ("Ann@example.org",)
    with pytest.raises(Invalid, match="team@example.org would have no member left"), store.write() as tx:
        accounts.remove_address(tx, "ann@example.org")


def test_an_alias_may_be_a_member_of_another(store: Store, ann: int) -> None:
    add(store, "team@example.org", "ann@example.org")
    assert add(store, "all@example.org", "TEAM@example.org").members == ("team@example.org",)
    with pytest.raises(Invalid, match="all@example.org would have no member left"), store.write() as tx:
        aliases.remove_alias(tx, "team@example.org")
    with store.write() as tx:
        aliases.remove_alias(tx, "all@example.org")
        aliases.remove_alias(tx, "team@example.org")
        assert aliases.list_aliases(tx) == []


def test_a_domain_with_aliases_or_members_stays(store: Store, ann: int) -> None:
    with store.write() as tx:
        accounts.add_domain(tx, "two.example", 1)
    add(store, "team@two.example", "x@far.example")
    with pytest.raises(Invalid, match="1 aliases"), store.write() as tx:
        accounts.remove_domain(tx, "two.example")
    with store.write() as tx:
        aliases.remove_alias(tx, "team@two.example")
    add(store, "reports@example.org", "tlsreports@two.example")
    with pytest.raises(Invalid, match="tlsreports@two.example is a member"), store.write() as tx:
        accounts.remove_domain(tx, "two.example")
