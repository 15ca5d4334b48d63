"""Signing what our users send: for the domain of the message's author, by the sign process (features S07).

The message is signed for the domain of its From, whatever MAIL FROM says, with every selector of that domain that
signs. A domain without one is not signed for, and that is no error. A message that must be signed and cannot be is
never sent without: the caller says so and is asked again. RFC 6376 §5.1, RFC 6409 §8.5.
"""

import unicodedata
from collections.abc import Awaitable, Callable
from functools import partial

from mail.accounts.snapshot import Routing
from mail.address import Address, canonical, parse_address
from mail.dkim import order as orders
from mail.dkim.order import Order
from mail.dkim.sign import prepare
from mail.errors import BadAddress, CannotSign, MailError, Unavailable
from mail.message.addresses import parse_addresses
from mail.message.fields import Header, Octets, parse_header
from mail.rpc import Client

ANSWER_SECONDS = 10.0
# A process that was killed answers again within the time a call waits for it (mail/rpc.py).
TRIES = 2

Make = Callable[[Octets], Order | None]
Look = Callable[[Make], Awaitable[Order | None]]


async def signatures(look: Look, routing: Routing, sign: Client) -> bytes:
    """The fields to put on top of a message; none when its author's domain does not sign.

    `look` gives the message's octets to a function, in a thread where they are many. Raises CannotSign.
    """
    order = await look(partial(order_of, routing=routing))
    return b"" if order is None else await _asked(sign, order)


async def notice_signatures(octets: bytes, hostname: str, routing: Routing, sign: Client) -> bytes:
    """The same for a notice of the host's own, from postmaster at its name: by the nearest domain above it that signs.

    Raises CannotSign.
    """
    labels = hostname.lower().split(".")
    for name in (".".join(labels[at:]) for at in range(len(labels))):
        rule = routing.domain(name)
        if rule is not None and rule.selectors:
            return await _asked(sign, Order(rule.name, rule.selectors, "", prepare(octets, parse_header(octets))))
    return b""


def order_of(octets: Octets, routing: Routing) -> Order | None:
    """What to ask of the sign process; None when nobody signs for the author's domain."""
    header = parse_header(octets)
    author = _author(header)
    rule = routing.domain(author.domain) if author is not None else None
    if author is None or rule is None or not rule.selectors:
        return None
    localpart = canonical(author.localpart, separators=rule.separators, case_sensitive=rule.case_sensitive)
    return Order(rule.name, rule.selectors, unicodedata.normalize("NFC", localpart), prepare(octets, header))


def _author(header: Header) -> Address | None:
    authors = parse_addresses(header.first(b"from") or b"")
    try:
        return parse_address(f"{authors[0].localpart.decode()}@{authors[0].domain.decode()}", strict=False)
    except (BadAddress, UnicodeDecodeError, IndexError):
        return None


async def _asked(sign: Client, order: Order) -> bytes:
    args = orders.as_json(order)
    for left in reversed(range(TRIES)):
        try:
            fields: str = (await sign.call("sign", args, timeout=ANSWER_SECONDS))["fields"]
            return fields.encode("ascii")
        except Unavailable as error:
            if not left:
                raise CannotSign(f"sign is away: {error}") from error
        except MailError as error:
            raise CannotSign(f"{order.domain}: {error}") from error
    raise AssertionError("unreachable")
