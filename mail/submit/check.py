"""What a message from a user must be, and what is added where it lacks something (RFC 6409 §6 and §8).

Refused: no line between header and body, a header that cannot be read whole, a Return-Path, not exactly one From with
exactly one address, one that is not the user's own, non-ASCII header text without SMTPUTF8, a routing loop.
Added in front: From, Date and Message-ID where they are missing.
"""

import mmap
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from mail.address import Address, parse_address
from mail.errors import BadAddress
from mail.imap.summary import Summary, summarize
from mail.message.addresses import parse_addresses
from mail.message.dates import render_date
from mail.message.fields import Header, parse_header
from mail.message.relayed import RECEIVED_LIMIT, received_count
from mail.smtp.replies import Reply

NO_SEPARATION = Reply(554, "5.6.0", "Message must have a header, an empty line and a body")
TOO_COMPLEX = Reply(550, "5.6.0", "Message structure too complex")
RETURN_PATH = Reply(550, "5.6.0", "Message must not have a Return-Path field")
ONE_FROM = Reply(550, "5.7.1", "Message must have exactly one From field with one address")
NOT_OWNED = Reply(550, "5.7.1", "Message From must belong to the authenticated user")
NEEDS_SMTPUTF8 = Reply(550, "5.6.0", "Non-ASCII header text needs SMTPUTF8")
LOOP = Reply(550, "5.4.6", "Routing loop detected")

TOO_MUCH = frozenset({"header-too-large", "too-many-fields", "field-too-large", "structure-truncated"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A refusal, or the fields to put in front and the summary."""

    refusal: Reply | None
    added: bytes = b""
    summary: Summary | None = None


def check(
    octets: bytes | mmap.mmap,
    *,
    mail_from: Address | None,
    smtputf8: bool,
    owns: Callable[[Address], bool],
    hostname: str,
    now: int,
) -> Checked:
    """Look at a message with CRLF line ends once."""
    if octets[:2] != b"\r\n" and octets.find(b"\r\n\r\n") < 0:
        return Checked(NO_SEPARATION)
    header = parse_header(octets)
    if not TOO_MUCH.isdisjoint(header.defects):
        return Checked(TOO_COMPLEX)
    refusal = _header_refused(octets, header, mail_from, smtputf8, owns)
    if refusal is not None:
        return Checked(refusal)
    summary = summarize(octets)
    if not TOO_MUCH.isdisjoint(summary.defects):
        return Checked(TOO_COMPLEX)
    return Checked(None, _missing(header, mail_from, hostname, now), summary)


def _header_refused(
    octets: bytes | mmap.mmap,
    header: Header,
    mail_from: Address | None,
    smtputf8: bool,
    owns: Callable[[Address], bool],
) -> Reply | None:
    block = octets[: header.end]
    if not smtputf8 and not block.isascii():
        return NEEDS_SMTPUTF8
    if header.first(b"return-path") is not None:
        return RETURN_PATH
    if received_count(block) > RECEIVED_LIMIT:
        return LOOP
    values = header.all(b"from")
    if not values and mail_from is not None:
        return None
    if len(values) != 1:
        return ONE_FROM
    authors = parse_addresses(values[0])
    if len(authors) != 1 or authors[0].kind:
        return ONE_FROM
    try:
        text = f"{authors[0].localpart.decode()}@{authors[0].domain.decode()}"
        author = parse_address(text) if authors[0].localpart.isascii() else parse_address(text, strict=False)
    except (BadAddress, UnicodeDecodeError):
        return ONE_FROM
    return None if owns(author) else NOT_OWNED


def _missing(header: Header, mail_from: Address | None, hostname: str, now: int) -> bytes:
    """From, Date and Message-ID where the user's client left them out."""
    lines: list[str] = []
    if header.first(b"from") is None and mail_from is not None:
        lines.append(f"From: <{mail_from}>")
    if header.first(b"date") is None:
        lines.append(f"Date: {render_date(now)}")
    if not (header.first(b"message-id") or b"").strip():
        lines.append(f"Message-ID: <{secrets.token_hex(16)}@{hostname}>")
    return "".join(line + "\r\n" for line in lines).encode()
