"""From the recipients of a message to where it goes: mailboxes here, addresses elsewhere, refusals.

1. Every recipient ends in one of `local`, `outside`, `refused` and `covered`; an alias may be in the first two several
   times, once for each member.
2. A mailbox gets one copy, under the recipient that names it itself where there is one, however many aliases lead there
   too; an address elsewhere gets one.
3. The author of a message gets no copy as a member of an alias (a proven author: a forged one must see what is sent in
   his name). Only members may post where the alias says so, judged by the proven author.
4. A message that was at an alias already, as its Delivered-To says, is in a loop (security SM-11).
5. A bounce to an SRS address of ours goes on to the sender it stands for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mail.accounts.routing import AliasRoute, Members, Route, Tables
from mail.address import Address, parse_address
from mail.errors import BadAddress

# More Delivered-To fields than that are looked at no further: the limit on Received ends such a message.
TRACED_MAX = 100


@dataclass(frozen=True, slots=True)
class Refused:
    rcpt_to: str
    code: int
    enhanced: str
    text: str
    reason: str  # a stable word


@dataclass(slots=True)
class Expansion:
    """`local` and `outside` pair a recipient as it was given with where its copy goes. `covered` recipients need none
    of their own: what they stand for has a copy already, or was the author himself.
    """

    local: list[tuple[str, Route]] = field(default_factory=list)
    outside: list[tuple[str, Address]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    covered: list[str] = field(default_factory=list)


BounceTo = Callable[[Address], Address | None]


def expand(
    tables: Tables,
    recipients: list[Address],
    *,
    author: Address | None,
    author_verified: bool,
    delivered_to: frozenset[str],
    bounce_to: BounceTo = lambda address: None,
) -> Expansion:
    """`author` is the From address, verified when SPF, DKIM or a login proved its domain (or himself).

    `delivered_to` has the addresses of the Delivered-To fields the message came with. `bounce_to` gives the sender an
    SRS address of ours stands for; leave it out unless the reverse-path is null.
    """
    work = _Work(tables, tables.key(author) if author is not None and author_verified else "", bounce_to)
    aliases: list[tuple[str, AliasRoute]] = []
    # Those who are named themselves come first.
    for address in recipients:
        alias = work.direct(address)
        if alias is not None:
            aliases.append((str(address), alias))
    if aliases:
        been = _keys(tables, delivered_to)
        for rcpt_to, alias in aliases:
            work.alias(rcpt_to, alias, looping=alias.canonical in been)
    return work.made


class _Work:
    def __init__(self, tables: Tables, author: str, bounce_to: BounceTo) -> None:
        self.made = Expansion()
        self._tables = tables
        self._author = author
        self._bounce_to = bounce_to
        self._mailboxes: set[tuple[int, str]] = set()
        self._outside: set[str] = set()

    def direct(self, address: Address) -> AliasRoute | None:
        """A recipient that is no alias; the alias it is."""
        rcpt_to = str(address)
        sender = self._bounce_to(address) if self._may_bounce(address) else None
        if sender is not None:
            if not self._send_outside(rcpt_to, self._tables.key(sender), sender):
                self.made.covered.append(rcpt_to)
            return None
        found = self._tables.lookup(address)
        if isinstance(found, AliasRoute):
            return found
        if found is None:
            self._refuse(rcpt_to, 550, "5.1.1", "No such user here", "unknown-recipient")
        elif not self._put_locally(rcpt_to, found):
            self.made.covered.append(rcpt_to)
        return None

    def _may_bounce(self, address: Address) -> bool:
        return self._tables.is_ours(address.domain) and self._tables.postmaster_account is not None

    def alias(self, rcpt_to: str, alias: AliasRoute, *, looping: bool) -> None:
        members = self._tables.members(alias)
        if looping:
            self._refuse(rcpt_to, 550, "5.4.6", "Routing loop detected", "alias-loop")
        elif members.too_many:
            self._refuse(rcpt_to, 452, "4.5.3", "Too many members", "alias-too-large")
        elif not members.local and not members.outside:
            self._refuse(rcpt_to, 550, "5.1.1", "No such user here", "alias-empty")
        elif not alias.post_public and not self._may_post(alias, members):
            self._refuse(rcpt_to, 550, "5.7.1", "Only members may write to this address", "alias-members-only")
        elif members.outside and self._tables.postmaster_account is None:
            # What goes out is kept in somebody's name.
            self._refuse(rcpt_to, 451, "4.3.0", "Nobody to forward for", "no-postmaster")
        else:
            given = [self._put_locally(rcpt_to, one) for one in members.local if one.canonical != self._author]
            given += [
                self._send_outside(rcpt_to, key, one) for key, one in members.outside.items() if key != self._author
            ]
            if not any(given):
                self.made.covered.append(rcpt_to)

    def _may_post(self, alias: AliasRoute, members: Members) -> bool:
        if not self._author:
            return False
        as_alias = alias.allow_from and self._author == alias.canonical
        return (
            as_alias or self._author in members.outside or any(one.canonical == self._author for one in members.local)
        )

    def _put_locally(self, rcpt_to: str, route: Route) -> bool:
        """False when that mailbox has a copy already."""
        place = (route.account_id, route.mailbox)
        if place in self._mailboxes:
            return False
        self._mailboxes.add(place)
        self.made.local.append((rcpt_to, route))
        return True

    def _send_outside(self, rcpt_to: str, key: str, address: Address) -> bool:
        if key in self._outside:
            return False
        self._outside.add(key)
        self.made.outside.append((rcpt_to, address))
        return True

    def _refuse(self, rcpt_to: str, code: int, enhanced: str, text: str, reason: str) -> None:
        self.made.refused.append(Refused(rcpt_to, code, enhanced, text, reason))


def _keys(tables: Tables, delivered_to: frozenset[str]) -> set[str]:
    """Of addresses as they were written."""
    found: set[str] = set()
    for text in sorted(delivered_to)[:TRACED_MAX]:
        try:
            found.add(tables.key(parse_address(text, strict=False)))
        except BadAddress:
            continue
    return found
