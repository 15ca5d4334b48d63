"""From recipients to copies: each mailbox once, the author never, circles not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.accounts.expand import Expansion, expand
from mail.accounts.routing import AccountRule, AddressRule, AliasRule, DomainRule, Tables
from mail.address import Address, parse_address

DOMAINS = (DomainRule("a.example", False, "+", False),)
ACCOUNTS = tuple(AccountRule(number, name, "") for number, name in ((1, "ann"), (2, "bob"), (3, "eve")))
ADDRESSES = (
    AddressRule(1, "a.example", "ann", "ann", "Inbox"),
    AddressRule(1, "a.example", "ann2", "ann2", "Inbox"),
    AddressRule(1, "a.example", "lists", "lists", "Lists"),
    AddressRule(2, "a.example", "bob", "bob", "Inbox"),
    AddressRule(3, "a.example", "eve", "eve", "Inbox"),
)


def alias(number: int, name: str, *members: str, public: bool = True, allow_from: bool = False) -> AliasRule:
    whole = tuple(one if "@" in one else f"{one}@a.example" for one in members)
    return AliasRule(number, "a.example", name, name, public, False, allow_from, whole)


TABLES = Tables.build(
    DOMAINS,
    ACCOUNTS,
    ADDRESSES,
    (
        alias(1, "team", "ann", "bob", "carl@far.example"),
        alias(2, "closed", "ann", "carl@far.example", public=False),
        alias(3, "both", "team", "eve", "CARL@far.example"),
        alias(4, "ping", "pong"),
        alias(5, "pong", "ping"),
        alias(6, "away", "carl@far.example"),
        alias(7, "solo", "ann"),
        alias(8, "big", *(f"{number}@far.example" for number in range(1500))),
        alias(9, "board", "bob", public=False, allow_from=True),
    ),
    hostname="mx.example",
)


def made(
    *to: str, author: str = "", verified: bool = True, delivered_to: tuple[str, ...] = (), tables: Tables = TABLES
) -> Expansion:
    return expand(
        tables,
        [parse_address(one if "@" in one else f"{one}@a.example") for one in to],
        author=parse_address(author) if author else None,
        author_verified=verified,
        delivered_to=frozenset(delivered_to),
    )


def local(found: Expansion) -> list[tuple[str, str]]:
    return [(rcpt_to.partition("@")[0], f"{route.account}/{route.mailbox}") for rcpt_to, route in found.local]


def outside(found: Expansion) -> list[tuple[str, str]]:
    return [(rcpt_to.partition("@")[0], str(address)) for rcpt_to, address in found.outside]


def refused(found: Expansion) -> list[tuple[int, str, str]]:
    return [(one.code, one.enhanced, one.reason) for one in found.refused]


def test_an_alias_becomes_a_copy_a_member() -> None:
    found = made("team")
    assert local(found) == [("team", "ann/Inbox"), ("team", "bob/Inbox")]
    assert outside(found) == [("team", "carl@far.example")]
    assert found.refused == [] and found.covered == []


def test_a_member_that_is_a_recipient_too_gets_one_copy_under_his_own_name() -> None:
    for to in (("team", "ann+x"), ("ann+x", "team")):
        found = made(*to)
        assert sorted(local(found)) == [("ann+x", "ann/Inbox"), ("team", "bob/Inbox")]


def test_a_mailbox_gets_one_copy_by_whatever_names() -> None:
    found = made("ann", "ANN2", "lists", "solo")
    assert local(found) == [("ann", "ann/Inbox"), ("lists", "ann/Lists")]
    assert found.covered == ["ANN2@a.example", "solo@a.example"]
    found = made("team", "both", "away")
    assert outside(found) == [("team", "carl@far.example")] and local(found)[-1] == ("both", "eve/Inbox")
    assert found.covered == ["away@a.example"]


def test_the_author_gets_no_copy_as_a_member_but_does_as_a_recipient() -> None:
    assert local(made("team", author="ann+y@a.example")) == [("team", "bob/Inbox")]
    assert outside(made("team", author="Carl@far.example")) == []
    assert local(made("ann", author="ann@a.example")) == [("ann", "ann/Inbox")]
    found = made("solo", author="ann@a.example")
    assert found.local == [] and found.covered == ["solo@a.example"]
    # One who only says that he is a member: the member sees it.
    assert local(made("solo", author="ann@a.example", verified=False)) == [("solo", "ann/Inbox")]


@pytest.mark.parametrize(
    ("author", "verified", "may"),
    [
        ("ann@a.example", True, True),
        ("ANN+list@a.example", True, True),
        ("carl@far.example", True, True),
        ("ann@a.example", False, False),
        ("ann2@a.example", True, False),
        ("eve@a.example", True, False),
        ("closed@a.example", True, False),
        ("", True, False),
    ],
)
def test_only_members_write_to_a_closed_alias(author: str, verified: bool, may: bool) -> None:
    found = made("closed", author=author, verified=verified)
    assert refused(found) == ([] if may else [(550, "5.7.1", "alias-members-only")])
    assert bool(found.local or found.outside) is may


def test_a_member_who_writes_as_the_alias_writes_to_it_too() -> None:
    assert local(made("board", author="board@a.example")) == [("board", "bob/Inbox")]


def test_a_message_that_was_at_the_alias_already_is_in_a_loop() -> None:
    """Security SM-11: two aliases that forward to each other, on two hosts."""
    theirs = Tables.build(
        (DomainRule("far.example", False, "", False),),
        (AccountRule(1, "carl", ""),),
        (),
        (AliasRule(1, "far.example", "carl", "carl", True, False, False, ("away@a.example",)),),
    )
    been: list[str] = []
    place, count = parse_address("away@a.example"), 0
    for tables in (TABLES, theirs) * 5:
        found = expand(tables, [place], author=None, author_verified=False, delivered_to=frozenset(been))
        if found.refused:
            break
        been.append(str(place))
        place = found.outside[0][1]
        count += 1
    assert refused(found) == [(550, "5.4.6", "alias-loop")] and count == 2
    assert refused(made("away", delivered_to=("AWAY+x@A.example", "nonsense", "@"))) == [(550, "5.4.6", "alias-loop")]
    assert refused(made("away", "solo", delivered_to=("ann@a.example", "team@a.example"))) == []


def test_aliases_that_lead_to_nobody_or_too_many_are_refused() -> None:
    assert refused(made("ping", "pong")) == [(550, "5.1.1", "alias-empty")] * 2
    assert refused(made("big")) == [(452, "4.5.3", "alias-too-large")]
    assert refused(made("nobody", "x@far.example")) == [(550, "5.1.1", "unknown-recipient")] * 2
    nobody = Tables.build(DOMAINS, (), (), (alias(1, "away", "carl@far.example"),))
    assert refused(made("away", tables=nobody)) == [(451, "4.3.0", "no-postmaster")]


def test_a_bounce_goes_on_to_the_sender_it_is_for() -> None:
    bounces = [Address("SRS0=x", "a.example"), Address("SRS0=x", "far.example"), Address("SRS0=y", "a.example")]

    def bounce_to(address: Address) -> Address | None:
        return Address("z", "sender.example") if address.localpart == "SRS0=x" else None

    found = expand(TABLES, bounces, author=None, author_verified=False, delivered_to=frozenset(), bounce_to=bounce_to)
    assert found.outside == [("SRS0=x@a.example", Address("z", "sender.example"))]
    assert [one.rcpt_to for one in found.refused] == ["SRS0=x@far.example", "SRS0=y@a.example"]


NAMES = ("ann", "ann+x", "ann2", "lists", "bob", "team", "closed", "both", "ping", "away", "solo", "big", "nobody")


@settings(max_examples=200)
@given(st.lists(st.sampled_from(NAMES), max_size=8, unique=True), st.sampled_from(["", "ann@a.example", "q@w.example"]))
def test_every_recipient_is_accounted_for_and_no_copy_is_made_twice(to: list[str], author: str) -> None:
    found = made(*to, author=author)
    ended = {one for one, _ in [*found.local, *found.outside]}
    rest = [one.rcpt_to for one in found.refused] + found.covered
    assert ended.isdisjoint(rest) and len(rest) == len(set(rest))
    assert ended.union(rest) == {f"{one}@a.example" for one in to}
    places = [(route.account_id, route.mailbox) for _, route in found.local]
    assert len(places) == len(set(places))
    assert len({str(one).lower() for _, one in found.outside}) == len(found.outside)
