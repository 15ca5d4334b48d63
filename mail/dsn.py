"""Delivery status notifications: what a sender is told of a message of his (RFC 3461, RFC 3464, RFC 6522).

    multipart/report: a text for people, message/delivery-status for programs, and the original or its header.

With internationalized addresses the last two parts are the global- types of RFC 6533.
"""

import re
import secrets
from dataclasses import dataclass
from enum import Enum

from mail.message.build import build_fields, build_header, encode_text
from mail.message.dates import render_date
from mail.message.fields import header_end

# What is sent back of an original that was not asked for in full.
HEADER_MAX = 64 << 10
ORIGINAL_MAX = 1 << 20
# The Message-ID of a stranger, where it can be repeated in our header.
_REFERENCE = re.compile(r"(?!.*=\?)[!-;=?-~]{1,500}")


class Kind(Enum):
    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


SUBJECTS = {
    Kind.FAILED: "mail delivery failed",
    Kind.DELAYED: "mail delivery delayed",
    Kind.DELIVERED: "mail delivered",
    Kind.RELAYED: "mail relayed",
}
INTRODUCTIONS = {
    Kind.FAILED: "Your message could not be delivered to the following recipients. It will not be tried again.",
    Kind.DELAYED: "Your message has not been delivered yet to the following recipients. It will be tried again;\n"
    "you need not do anything.",
    Kind.DELIVERED: "Your message was delivered to the following recipients.",
    Kind.RELAYED: "Your message was handed on to the following recipients' server, which does not tell of delivery.",
}


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """One recipient: what the remote said of it and when."""

    address: str
    status: str
    diagnostic: str = ""
    remote_mta: str = ""
    orcpt: str = ""
    last_attempt_at: int | None = None
    will_retry_until: int | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The message the notification is about. `octets` is its beginning, the header at least, with CRLF line ends."""

    message_id: str
    envid: str
    arrived_at: int
    octets: bytes
    whole: bool
    smtputf8: bool
    future_release: str = ""


def render(
    kind: Kind, hostname: str, to: str, reports: list[RecipientReport], original: Original, *, now: int
) -> bytes:
    """The whole notification, CRLF line ends, from postmaster@hostname; to be sent with the null reverse-path."""
    boundary = f"report-{secrets.token_hex(12)}"
    reference = f"<{original.message_id}>" if _REFERENCE.fullmatch(original.message_id) else ""
    # An address that reads like an encoded word is legal, and some reader would decode it (security MC-2).
    if "=?" in to:
        to = "undisclosed-recipients:;"
    fields = [
        ("From", f"Mail delivery <postmaster@{hostname}>"),
        ("To", to if to.isascii() or original.smtputf8 else encode_text(to)),
        ("Subject", SUBJECTS[kind]),
        ("Date", render_date(now)),
        ("Message-ID", f"<dsn.{secrets.token_hex(12)}@{hostname}>"),
        *([("In-Reply-To", reference), ("References", reference)] if reference else []),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
    ]
    returned_type, returned = _returned(kind, original)
    status_type = "message/global-delivery-status" if original.smtputf8 else "message/delivery-status"
    parts = [
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + _words(kind, reports),
        f"Content-Type: {status_type}\r\n\r\n".encode() + _status(kind, hostname, reports, original),
        f"Content-Type: {returned_type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode() + returned,
    ]
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return build_header(fields) + b"\r\n" + body + delimiter + b"--\r\n"


def _words(kind: Kind, reports: list[RecipientReport]) -> bytes:
    lines = [*INTRODUCTIONS[kind].splitlines(), ""]
    for report in reports:
        lines.append(f"  {report.address}")
        if report.diagnostic:
            where = f"The server {report.remote_mta} said" if report.remote_mta else "The reason"
            lines.append(f"    {where}: {report.diagnostic}")
        if kind is Kind.DELAYED and report.will_retry_until is not None:
            lines.append(f"    Tried until: {render_date(report.will_retry_until)}")
    return "\r\n".join([*lines, ""]).encode("utf-8", "replace")


def _status(kind: Kind, hostname: str, reports: list[RecipientReport], original: Original) -> bytes:
    blocks = [_per_message(hostname, original)]
    for report in reports:
        kind_of_address = "rfc822" if report.address.isascii() else "utf-8"
        fields = [("Final-Recipient", f"{kind_of_address}; {report.address}")]
        if report.orcpt:
            fields.insert(0, ("Original-Recipient", report.orcpt.replace(";", "; ", 1)))
        fields += [("Action", kind.value), ("Status", report.status)]
        if report.remote_mta:
            fields.append(("Remote-MTA", f"dns; {report.remote_mta}"))
        if report.diagnostic:
            fields.append(("Diagnostic-Code", f"smtp; {_one_line(report.diagnostic, original.smtputf8)}"))
        if report.last_attempt_at is not None:
            fields.append(("Last-Attempt-Date", render_date(report.last_attempt_at)))
        if kind is Kind.DELAYED and report.will_retry_until is not None:
            fields.append(("Will-Retry-Until", render_date(report.will_retry_until)))
        blocks.append(build_fields(fields))
    return b"\r\n".join(blocks)


def _per_message(hostname: str, original: Original) -> bytes:
    fields = [("Reporting-MTA", f"dns; {hostname}"), ("Arrival-Date", render_date(original.arrived_at))]
    if original.envid:
        fields.insert(0, ("Original-Envelope-Id", original.envid))
    if original.future_release:
        fields.append(("Future-Release-Request", original.future_release))  # RFC 4865
    return build_fields(fields)


def _one_line(text: str, utf8: bool) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)[:900]
    return printable if utf8 else printable.encode("ascii", "replace").decode()


def _returned(kind: Kind, original: Original) -> tuple[str, bytes]:
    """The original if it was asked for and is not too large, else its header. Only failures return content."""
    if kind is Kind.FAILED and original.whole and len(original.octets) <= ORIGINAL_MAX:
        return ("message/global" if original.smtputf8 else "message/rfc822"), original.octets
    last, _ = header_end(original.octets, 0, len(original.octets))
    kept = original.octets[: min(last, HEADER_MAX)]
    # Cut between fields, so that what is returned is a header still.
    kept = kept[: kept.rfind(b"\r\n") + 2] if not kept.endswith(b"\r\n") else kept
    return ("message/global-headers" if original.smtputf8 else "text/rfc822-headers"), kept
