"""Who takes mail for an address, who may send as it, who logs in with it."""

import pytest

from mail.accounts.routing import (
    MEMBERS_MAX,
    AccountRule,
    AddressRule,
    AliasRoute,
    AliasRule,
    DomainRule,
    Route,
    Tables,
)
from mail.address import Address, parse_address
from mail.errors import BadAddress

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


def at(text: str, tables: Tables = TABLES) -> Route | None:
    found = tables.lookup(parse_address(text))
    assert not isinstance(found, AliasRoute)
    return found


def account_at(text: str, tables: Tables = TABLES) -> str | None:
    route = at(text, tables)
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
        ("\u0430nn@a.example", None),  # a Cyrillic a
        ('""@a.example', None),
        ('""@case.example', "bob"),
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


def test_postmaster_goes_to_the_hosts_postmaster_else_to_the_first_account() -> None:
    customer = AddressRule(5, "case.example", "postmaster", "postmaster", "Inbox")
    tables = Tables.build(DOMAINS, ACCOUNTS, (customer,), hostname="mx.example")
    assert (account_at("postmaster@a.example", tables), tables.postmaster_account) == ("ann", 3)
    host = AddressRule(5, "mx.example", "postmaster", "postmaster", "Post")
    domains = (*DOMAINS, DomainRule("mx.example", False, "+", False))
    tables = Tables.build(domains, ACCOUNTS, (host,), hostname="mx.example")
    route = at("postmaster@a.example", tables)
    assert route is not None and (route.account, route.mailbox) == ("bob", "Post")
    assert tables.postmaster_account == 5
    nobody = Tables.build(DOMAINS, (), ())
    assert nobody.lookup(Address("postmaster", "a.example")) is None and nobody.postmaster_account is None


def test_the_hosts_postmaster_comes_before_the_catchall_of_its_name() -> None:
    domains = (*DOMAINS, DomainRule("mx.example", False, "+", False))
    everyone = AddressRule(5, "mx.example", "", "", "Inbox")
    tables = Tables.build(domains, ACCOUNTS, (everyone,), hostname="mx.example")
    assert account_at("postmaster@mx.example", tables) == "ann"
    assert account_at("anyone@mx.example", tables) == "bob"


def test_a_report_address_matches_before_anything_is_cut() -> None:
    addresses = (
        AddressRule(5, "a.example", "dmarc-reports", "dmarc-reports", "DMARC", "dmarc"),
        AddressRule(3, "a.example", "dmarc", "dmarc", "Inbox"),
        AddressRule(3, "a.example", "", "", "Inbox"),
    )
    tables = Tables.build(DOMAINS, ACCOUNTS, addresses)
    route = at("DMARC-Reports@a.example", tables)
    assert route is not None and (route.account, route.mailbox, route.kind) == ("bob", "DMARC", "dmarc")
    assert account_at("dmarc-other@a.example", tables) == "ann"


def test_an_address_says_what_it_refuses_although_there_is_a_catchall() -> None:
    old = AddressRule(3, "case.example", "old", "old", "Inbox", smtp_error="550 no such user", auth_required="Sign it")
    tables = Tables.build(DOMAINS, ACCOUNTS, (*ADDRESSES, old))
    route = at("old@case.example", tables)
    assert route is not None and (route.smtp_error, route.auth_required) == ("550 no such user", "Sign it")
    route = at("new@case.example", tables)
    assert route is not None and (route.smtp_error, route.canonical, route.place) == (
        "",
        "@case.example",
        ("case.example", ""),
    )


def test_the_canonical_name_is_that_of_the_address_that_matched() -> None:
    for text, wanted in (
        ("ANN+x@a.example", "ann@a.example"),
        ("ann-Marie@a.example", "ann-marie@a.example"),
        ("x@case.example", "@case.example"),
        ("PostMaster@a.example", "postmaster@a.example"),
    ):
        route = at(text)
        assert route is not None and route.canonical == wanted


TEAM = AliasRule(
    7, "a.example", "team", "Team", True, False, True, ("Ann@a.example", "x@case.example", "Carl@far.example")
)


def test_an_alias_stands_for_its_members_here_and_elsewhere() -> None:
    tables = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, (TEAM,))
    found = tables.lookup(parse_address("TEAM+x@a.example"))
    assert isinstance(found, AliasRoute)
    assert (found.id, found.address, found.canonical) == (7, "Team@a.example", "team@a.example")
    members = tables.members(found)
    assert [one.account for one in members.local] == ["ann", "bob"]
    assert members.outside == {"carl@far.example": Address("Carl", "far.example")} and not members.too_many


def test_an_address_beats_a_shorter_alias_and_an_alias_beats_the_catchall() -> None:
    aliases = (
        AliasRule(1, "a.example", "ann+list", "ann+list", True, False, False, ("bob@far.example",)),
        AliasRule(2, "case.example", "Crew", "Crew", True, False, False, ("bob@far.example",)),
    )
    tables = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, aliases)
    assert isinstance(tables.lookup(parse_address("ann+list@a.example")), AliasRoute)
    assert isinstance(tables.lookup(parse_address("Crew@case.example")), AliasRoute)
    assert account_at("crew@case.example", tables) == "bob"


def test_aliases_in_aliases_are_opened_and_circles_end() -> None:
    aliases = (
        AliasRule(1, "a.example", "one", "one", True, False, False, ("two@a.example", "ann@a.example")),
        AliasRule(
            2, "a.example", "two", "two", True, False, False, ("one@a.example", "ANN+x@a.example", "q@far.example")
        ),
        AliasRule(3, "a.example", "self", "self", True, False, False, ("self@a.example", "gone@a.example", "@@")),
        AliasRule(4, "a.example", "big", "big", True, False, False, tuple(f"{n}@far.example" for n in range(2000))),
    )
    tables = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, aliases)
    found = tables.lookup(parse_address("one@a.example"))
    assert isinstance(found, AliasRoute)
    members = tables.members(found)
    assert ([one.account for one in members.local], list(members.outside)) == (["ann"], ["q@far.example"])
    nobody = tables.lookup(parse_address("self@a.example"))
    assert isinstance(nobody, AliasRoute) and tables.members(nobody) == tables.members(nobody).__class__((), {})
    big = tables.lookup(parse_address("big@a.example"))
    assert isinstance(big, AliasRoute) and tables.members(big).too_many
    assert len(tables.members(big).outside) == MEMBERS_MAX


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


def test_a_member_may_send_as_the_alias_where_it_allows_that() -> None:
    team = parse_address("team@a.example")
    open_to_members = Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, (TEAM,))
    assert open_to_members.owns(3, team) and open_to_members.owns(5, team) and not open_to_members.owns(9, team)
    closed = AliasRule(7, "a.example", "team", "Team", True, False, False, TEAM.members)
    assert not Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, (closed,)).owns(3, team)
    # The catchall gives its owner the names that are unused, and an alias uses one.
    crew = AliasRule(2, "case.example", "crew", "crew", True, False, False, ("ann@a.example",))
    assert not Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, (crew,)).owns(5, parse_address("crew@case.example"))


def test_a_login_is_an_address_or_the_name_of_an_account() -> None:
    assert TABLES.account_for_login("ann@a.example") == (3, "ann")
    assert TABLES.account_for_login("bob") == (5, "bob")
    # The precomposed and the decomposed spelling are one name.
    tables = Tables.build(DOMAINS, (AccountRule(1, "ren\u00e9", ""),), ())
    assert tables.account_for_login("rene\u0301") == (1, "ren\u00e9")
    # The owner of a catchall may use any name of the domain nobody has.
    assert TABLES.account_for_login("whatever@case.example") == (5, "bob")
    assert Tables.build(DOMAINS, ACCOUNTS, ADDRESSES, (TEAM,)).account_for_login("team@a.example") is None
    for unknown in ("", "@", "ann@", "nobody@a.example", "nobody", "a@b@c", "x" * 2000 + "@a.example"):
        assert TABLES.account_for_login(unknown) is None


# Appendix A3 of security.md, and its kin: no way to make us take mail for somebody elsewhere (SM-8).
RELAY = [
    "u@other.example",
    "u%other.example@a.example",
    "other.example!u@a.example",
    "@a.example,@b.example:u@other.example",
    "<@a.example:u@other.example>",
    "u@other.example@a.example",
    '"u@other.example"@a.example',
    '"u@other.example"@other.example',
    "u@[127.0.0.1]",
    "u@[IPv6:::1]",
    "u@[IPv6:fe80::1%lo]",
    "ann@[192.0.2.1]",
    "u@#1234",
    "u@1234",
    "u@other.a.example",
    "u@a.example.other.example",
    "u@A.EXAMPLE.",
    "u@a.example\0.other.example",
    "u@a\uff0eexample",
    "u@a\u3002example",
    "u@\u0430.example",
    "u@\uff41.example.other",
    "u",
    "",
    "@",
    "u@",
    "@a.example",
    "u@.example",
    "u@a..example",
    "u@a.example:25",
    "u@a.example ",
    " u@a.example",
    "u,ann@a.example",
    "u;ann@a.example",
    "(ann)u@a.example",
    "u@(x)a.example",
    "u%40other.example@a.example",
    "u=other.example@a.example",
    "u\\@other.example@a.example",
    '"u@other.example\\"@a.example',
    "other.example!ann@b.example",
    "ann@a.example@other.example",
    "postmaster@other.example",
    "SRS0=AAAAAA=AA=other.example=u@a.example",
]


@pytest.mark.parametrize("text", RELAY)
def test_nothing_makes_us_a_relay(text: str) -> None:
    try:
        address = parse_address(text, strict=False)
    except BadAddress:
        return
    assert TABLES.lookup(address) is None
    assert TABLES.owns(3, address) is TABLES.owns(5, address) is False


@pytest.mark.parametrize("text", ["ann@A.EXAMPLE", '"ann"@a.example', '"a\\nn"@a.example', "ann@\uff41.example"])
def test_a_name_of_ours_is_ours_however_it_is_written(text: str) -> None:
    assert account_at(text) == "ann"


def test_an_internationalized_domain_is_one_in_each_of_its_spellings() -> None:
    tables = Tables.build(
        (DomainRule("xn--bcher-kva.example", False, "+", False),),
        ACCOUNTS,
        (AddressRule(3, "xn--bcher-kva.example", "caf\u00e9", "caf\u00e9", "Inbox"),),
    )
    for text in (
        "caf\u00e9@b\u00fccher.example",
        "cafe\u0301@bu\u0308cher.example",
        "CAF\u00c9@XN--BCHER-KVA.example",
    ):
        assert account_at(text, tables) == "ann"
    assert account_at("cafe@b\u00fccher.example", tables) is None
