"""What goes elsewhere of a message that came to an alias of ours: with whose reverse-path, and who is told of failures.

The reverse-path is ours (`mail.srs`), so that the next host's SPF check looks at us and its bounces come back to us;
the null one stays null. A sender whose rewritten address would be longer than addresses may be is left out: then
nothing comes back. A notice of our own goes only to a sender whom SPF or DMARC proved (security SM-10).
"""

from collections.abc import Callable

from mail import srs
from mail.address import Address, parse_address
from mail.errors import Invalid
from mail.store.arrivals import Forward
from mail.store.queue import NOBODY


def forwards(
    outside: list[tuple[str, Address]],
    *,
    reverse_path: Address | None,
    sender_passed: bool,
    key: bytes,
    now: int,
    prefix: Callable[[str], bytes],
) -> list[Forward]:
    """One for each recipient of `mail.accounts.expand`'s `outside`. `prefix` gives the fields of a recipient's copy."""
    grouped: dict[str, list[Address]] = {}
    for rcpt_to, address in outside:
        grouped.setdefault(rcpt_to, []).append(address)
    return_to = str(reverse_path) if reverse_path is not None and sender_passed else NOBODY
    return [
        Forward(rcpt_to, tuple(to), _mail_from(rcpt_to, reverse_path, key, now), return_to, prefix(rcpt_to))
        for rcpt_to, to in grouped.items()
    ]


def _mail_from(rcpt_to: str, reverse_path: Address | None, key: bytes, now: int) -> str:
    if reverse_path is None:
        return ""
    try:
        return str(srs.forward(reverse_path, parse_address(rcpt_to, strict=False).domain, key, now))
    except Invalid:
        return ""
