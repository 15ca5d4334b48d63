"""What one look at an arriving message gives: everything that needs its octets and no network.

The look is the only time a listener reads the message; what is judged, what is stored beside it and what is learnt from
it come from the same pass. It costs CPU only, so a large message is looked at in a thread.
"""

from dataclasses import dataclass

from mail.address import parse_address
from mail.arc import verify as arc
from mail.dkim.verify import Prepared, prepare
from mail.errors import BadAddress
from mail.imap.summary import Summary, summarize
from mail.junk.words import words
from mail.message import relayed
from mail.message.addresses import parse_addresses
from mail.message.author import Author, author
from mail.message.fields import Header, Octets, parse_header
from mail.message.scan import Scanned, scan
from mail.message.text import decode
from mail.message.words import decode_words
from mail.policy.facts import ADDRESSED_MAX
from mail.policy.rulesets import fields_of

SUBJECT_MAX = 1000
LIST_ID_MAX = 255


@dataclass(frozen=True, slots=True)
class Look:
    """`cleaned`: the header less the fields that only we may write, where there were any; `header_end`: of the old one.
    `summary` is None then: it is made of the message as it will be stored. `words` None: nobody was to read them.
    `fields`: (name, value) for rulesets.
    """

    received_count: int
    header_end: int
    cleaned: bytes | None
    summary: Summary | None
    author: Author
    signatures: Prepared
    chain: arc.Prepared
    words: tuple[str, ...] | None
    subject: str
    to_and_cc: tuple[str, ...]
    list_id: str
    fields: tuple[tuple[str, str], ...]
    delivered_to: frozenset[str]
    report: str


def look(octets: Octets, *, hostname: str, smtputf8: bool, now: int, with_words: bool = True) -> Look | None:
    """None for a message that goes in circles: its header has more than a hundred Received fields.

    `now`: seconds since 1970, for the times in signatures. `with_words`: for junk filters, which costs as much as all
    the rest.
    """
    end = relayed.header_end(octets)
    raw = octets[:end]
    count = relayed.received_count(raw)
    if count > relayed.RECEIVED_LIMIT:
        return None
    cleaned = relayed.without_forged(raw, hostname)
    scanned = scan(octets)
    header = scanned.header
    forged = cleaned is not raw
    return Look(
        received_count=count,
        header_end=end,
        cleaned=cleaned if forged else None,
        summary=None if forged else summarize(octets, scanned),
        author=author(header, smtputf8=smtputf8),
        signatures=prepare(octets, header, now=now),
        chain=arc.prepare(octets, header, now=now),
        words=tuple(words(octets, scanned)) if with_words else None,
        subject=decode_words((header.first(b"subject") or b"")[: 4 * SUBJECT_MAX])[:SUBJECT_MAX],
        to_and_cc=_addressed(header),
        list_id=decode((header.first(b"list-id") or b"")[:LIST_ID_MAX]),
        fields=fields_of(parse_header(cleaned) if forged else header),
        delivered_to=relayed.delivered_to(raw),
        report=_report(scanned),
    )


def words_in(octets: Octets) -> tuple[str, ...]:
    """The words of a message that was looked at without them."""
    return tuple(words(octets, scan(octets)))


# What aggregate reports come as: RFC 7489 §7.2.1.1, RFC 8460 §6.4.
_REPORT_TYPES = {
    b"application/tlsrpt+gzip": "tls",
    b"application/tlsrpt+json": "tls",
    b"application/gzip": "dmarc",
    b"application/zip": "dmarc",
    b"application/x-zip-compressed": "dmarc",
    b"application/x-gzip": "dmarc",
    b"application/xml": "dmarc",
    b"text/xml": "dmarc",
}


def _report(scanned: Scanned) -> str:
    """dmarc or tls for a message that carries what such a report is; whether it is one, is for who reads it."""
    found = (_REPORT_TYPES.get(part.content_type.value) for part in scanned.parts())
    return next(filter(None, found), "")


def _addressed(header: Header) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in (*header.all(b"to"), *header.all(b"cc")):
        for one in parse_addresses(value):
            if one.kind or len(found) >= ADDRESSED_MAX:
                continue
            try:
                written = f"{decode(one.localpart)}@{decode(one.domain)}"
                found[str(parse_address(written, strict=False))] = None
            except BadAddress:
                continue
    return tuple(found)
