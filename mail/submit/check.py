"""What a message from a user must be (RFC 6409 §7), and what it becomes before it is signed, stored and sent.

Refused: no line between header and body, a header that cannot be read whole or has lines that are no fields, a
Return-Path, text that is not UTF-8 or needs SMTPUTF8 and lacks it, a routing loop, extra fields that clash; and whoever
is not the user's own: From must be one address that every reader sees alike, Sender, if there is one, likewise.
What is added and taken out is told in `mail.submit.repair`.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass, field

from mail.address import Address, parse_address
from mail.errors import BadAddress
from mail.imap.summary import Summary, summarize
from mail.message.addresses import parse_addresses
from mail.message.author import author
from mail.message.fields import Header, parse_header
from mail.message.relayed import RECEIVED_LIMIT, header_end, received_count
from mail.smtp.replies import Reply
from mail.submit.extra import BadExtra, extra_of
from mail.submit.repair import repaired

NO_SEPARATION = Reply(554, "5.6.0", "Message must have a header, an empty line and a body")
TOO_COMPLEX = Reply(550, "5.6.0", "Message structure too complex")
NOT_FIELDS = Reply(554, "5.6.0", "Message header has lines that are no header fields")
RETURN_PATH = Reply(550, "5.6.0", "Message must not have a Return-Path field")
ONE_FROM = Reply(550, "5.7.1", "Message must have exactly one From field with one address")
ONE_SENDER = Reply(550, "5.7.1", "Message may have one Sender field with one address")
NEEDS_SMTPUTF8 = Reply(550, "5.6.0", "Non-ASCII header text needs SMTPUTF8")
NOT_UTF8 = Reply(550, "5.6.0", "Header text must be UTF-8")
LOOP = Reply(550, "5.4.6", "Routing loop detected")

TOO_MUCH = frozenset({"header-too-large", "too-many-fields", "field-too-large", "structure-truncated"})
# What another reader takes for the end of the header, or for another field.
NO_FIELD = frozenset({"leading-continuation", "not-a-field", "space-before-colon"})
# Of `mail.message.author`: there is not one author; all its other words mean that readers may differ about who it is.
_NOT_ONE = frozenset({"no-from", "several-from-fields", "several-authors", "group", "no-author"})
# RFC 8689 §3
_TLS_REQUIRED = b"tls-required"


@dataclass(frozen=True, slots=True)
class Checked:
    """A refusal; or what the message is, with `header` to put in the place of its first `header_end` octets if it is
    not to stay as it is. `summary` is only there when it stays.

    `author` is in From; None where that is the sender of the envelope. `tls_required_no`: its field says so.
    """

    refusal: Reply | None
    header: bytes | None = None
    header_end: int = 0
    summary: Summary | None = None
    author: Address | None = None
    tls_required_no: bool = False
    extra: dict[str, str] = field(default_factory=dict)


def not_owned(name: str, address: Address) -> Reply:
    return Reply(550, "5.7.1", f"Message {name} must belong to the authenticated user: {address}")


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
    end = header_end(octets)
    block = octets[:end]
    refusal = _text_refused(block, header, smtputf8)
    if refusal is not None:
        return Checked(refusal)
    refusal, from_address = _author_refused(header, mail_from, smtputf8, owns)
    refusal = refusal or _sender_refused(header, owns)
    if refusal is not None:
        return Checked(refusal)
    try:
        extra = extra_of(header)
    except BadExtra as error:
        return Checked(Reply(554, "5.6.0", str(error)))
    changed = repaired(block, header, mail_from=mail_from, hostname=hostname, now=now)
    summary = summarize(octets) if changed is None else None
    if summary is not None and not TOO_MUCH.isdisjoint(summary.defects):
        return Checked(TOO_COMPLEX)
    asked = [value.strip().lower() for value in header.all(_TLS_REQUIRED)]
    return Checked(None, changed, end, summary, from_address, asked == [b"no"], extra)


def summarized(octets: bytes | mmap.mmap) -> Summary | None:
    """The summary of a message that was repaired; None when it cannot be read whole."""
    summary = summarize(octets)
    return summary if TOO_MUCH.isdisjoint(summary.defects) else None


def _text_refused(block: bytes, header: Header, smtputf8: bool) -> Reply | None:
    if not NO_FIELD.isdisjoint(header.defects):
        return NOT_FIELDS
    if not block.isascii():
        if not smtputf8:
            return NEEDS_SMTPUTF8
        try:
            block.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
    if header.first(b"return-path") is not None:
        return RETURN_PATH
    return LOOP if received_count(block) > RECEIVED_LIMIT else None


def _author_refused(
    header: Header, mail_from: Address | None, smtputf8: bool, owns: Callable[[Address], bool]
) -> tuple[Reply | None, Address | None]:
    """(refusal, author). RFC 6409 §7.1."""
    if mail_from is not None and header.first(b"from") is None:
        return None, None
    found = author(header, smtputf8=smtputf8)
    if found.address is not None:
        return (None if owns(found.address) else not_owned("From", found.address)), found.address
    if not _NOT_ONE.isdisjoint(found.defects):
        return ONE_FROM, None
    words = ", ".join(found.defects)
    return Reply(550, "5.7.1", f"Message From must be one address that every reader sees alike ({words})"), None


def _sender_refused(header: Header, owns: Callable[[Address], bool]) -> Reply | None:
    """Sender says who sent it for the author (RFC 5322 §3.6.2): that is the user too."""
    values = header.all(b"sender")
    if not values:
        return None
    senders = parse_addresses(values[0])
    if len(values) != 1 or len(senders) != 1 or senders[0].kind:
        return ONE_SENDER
    try:
        sender = parse_address(f"{senders[0].localpart.decode()}@{senders[0].domain.decode()}", strict=False)
    except (BadAddress, UnicodeDecodeError):
        return ONE_SENDER
    return None if owns(sender) else not_owned("Sender", sender)
