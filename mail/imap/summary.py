"""What is stored beside a blob, so that FETCH and SEARCH need not open it.

Made once, where the message comes in, by the process that took it; the keeper stores it as it is. Wrong content harms
the view of that one message and nothing else. All octets are the IMAP text that goes out; the structure is JSON:

    part = {"h": [from, to], "b": [from, to], "t": type/subtype, "e": encoding, "c": charset,
            "p": parts of a multipart, "m": the message inside a message/rfc822}

Offsets are into the blob, without the prefix; "h" is the header with its empty line; "e", "c", "p" and "m" only where
there are any.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from mail.errors import Invalid
from mail.imap.bodystructure import addressed, bodystructure, envelope
from mail.message.addresses import Mailbox
from mail.message.dates import parse_date
from mail.message.fields import Octets
from mail.message.scan import TRUNCATED, UNKNOWN, Part, Scanned, scan
from mail.message.text import decode
from mail.message.words import decode_words

SEARCH_TEXT_MAX = 2000
ENVELOPE_MAX = 64 << 10
# What beside the message a frame to the keeper may hold; a structure over it is shown as one leaf.
STRUCTURE_MAX = 200 << 10
TOO_MANY_ADDRESSES = "too-many-addresses"

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    envelope: bytes
    bodystructure: bytes
    structure: bytes
    subject: str
    sender: str
    recipients: str
    cc: str
    bcc: str
    message_id: str
    sent_at: int | None
    sent_day: int | None
    defects: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "envelope": self.envelope.decode("latin-1"),
            "bodystructure": self.bodystructure.decode("latin-1"),
            "structure": self.structure.decode("latin-1"),
            "subject": self.subject,
            "sender": self.sender,
            "recipients": self.recipients,
            "cc": self.cc,
            "bcc": self.bcc,
            "message_id": self.message_id,
            "sent_at": self.sent_at,
            "sent_day": self.sent_day,
            "defects": self.defects,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Summary":
        """Invalid when the fields are not those of a summary."""
        try:
            return cls(
                envelope=fields["envelope"].encode("latin-1"),
                bodystructure=fields["bodystructure"].encode("latin-1"),
                structure=fields["structure"].encode("latin-1"),
                subject=str(fields["subject"]),
                sender=str(fields["sender"]),
                recipients=str(fields["recipients"]),
                cc=str(fields["cc"]),
                bcc=str(fields["bcc"]),
                message_id=str(fields["message_id"]),
                sent_at=None if fields["sent_at"] is None else int(fields["sent_at"]),
                sent_day=None if fields["sent_day"] is None else int(fields["sent_day"]),
                defects=tuple(map(str, fields["defects"])),
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise Invalid(f"summary: {error!r}") from error


def summarize(octets: Octets, scanned: Scanned | None = None) -> Summary:
    """One bounded pass over a message with CRLF line ends, or none where it was scanned already. Never raises."""
    scanned = scan(octets) if scanned is None else scanned
    defects = scanned.defects
    body = bodystructure(octets, scanned)
    structure = orjson.dumps(nodes(scanned))
    if len(body) > STRUCTURE_MAX or len(structure) > STRUCTURE_MAX:
        scanned = _as_leaf(scanned)
        defects = scanned.defects
        body, structure = bodystructure(octets, scanned), orjson.dumps(nodes(scanned))
    root = scanned.root
    people, complete = addressed(root)
    if not complete:
        defects = (*defects, TOO_MANY_ADDRESSES)
    described = envelope(root, people)
    if len(described) > ENVELOPE_MAX:
        described = envelope(_short(root))
    date = parse_date(root.first(b"date") or b"")
    return Summary(
        described,
        body,
        structure,
        subject=folded(decode_words(_cut(root.first(b"subject")))),
        sender=_people(people.get(b"from", [])),
        recipients=_people(people.get(b"to", [])),
        cc=_people(people.get(b"cc", [])),
        bcc=_people(people.get(b"bcc", [])),
        message_id=_message_id(root.first(b"message-id")),
        sent_at=date[0] if date else None,
        sent_day=date[1] if date else None,
        defects=defects,
    )


def folded(text: str) -> str:
    """How search texts and the words searched for are compared. NUL has no place in a database text."""
    return text[:SEARCH_TEXT_MAX].casefold().replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _cut(value: bytes | None) -> bytes:
    return (value or b"")[: 4 * SEARCH_TEXT_MAX]


def _people(found: list[Mailbox]) -> str:
    """Names and addresses of a field, as SEARCH FROM and its kin look for them."""
    parts: list[str] = []
    length = 0
    for one in found:
        if length > SEARCH_TEXT_MAX:
            break
        if one.kind:
            text = decode_words(_cut(one.localpart))
        else:
            text = decode(_cut(b"@".join(part for part in (one.localpart, one.domain) if part)))
            if one.name:
                text = f"{decode_words(_cut(one.name))} <{text}>"
        parts.append(text)
        length += len(text)
    return folded(", ".join(parts))


def _message_id(value: bytes | None) -> str:
    text = decode((value or b"")[:1000]).strip()
    start, end = text.find("<"), text.find(">")
    return (text[start + 1 : end] if 0 <= start < end else text).replace("\0", "")


def nodes(scanned: Scanned) -> Node:
    """The structure as JSON values. Iterative: children before their parent."""
    done: dict[int, Node] = {}
    for part in reversed(list(scanned.parts())):
        node: Node = {
            "h": [part.start, part.body],
            "b": [part.body, part.end],
            "t": part.content_type.value[:100].decode("latin-1"),
        }
        if part.encoding:
            node["e"] = part.encoding[:40].decode("latin-1")
        charset = part.content_type.get(b"charset")
        if charset:
            node["c"] = charset[:40].decode("latin-1")
        if part.children:
            node["p"] = [done.pop(id(child)) for child in part.children]
        if part.message is not None:
            node["m"] = done.pop(id(part.message))
        done[id(part)] = node
    return done[id(scanned.root)]


def _as_leaf(scanned: Scanned) -> Scanned:
    """The same message as one leaf, its header cut to what an envelope needs."""
    short = _short(scanned.root)
    short.content_type = UNKNOWN
    return Scanned(scanned.header, short, tuple(dict.fromkeys((*scanned.defects, TRUNCATED))))


def _short(root: Part) -> Part:
    """The part with long field values cut, and without its children."""
    kept = tuple(type(field)(field.name, field.value[:1000], field.raw) for field in root.fields[:200])
    return Part(root.start, root.body, root.end, kept, root.content_type, root.encoding[:40], 0, 0)
