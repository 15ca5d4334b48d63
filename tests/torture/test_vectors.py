"""Other people's MIME and bounce messages: each is read, shown as IMAP wants it, stored and read back octet for octet.

The standard library's old parser is the second opinion. Where it sees another message, REASONS says which RFC it is
that we follow; a difference without a reason fails.
"""

import asyncio
import email
import email.policy
import hashlib
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path

import orjson
import pytest

from mail.check.structure import structure
from mail.imap.bodystructure import non_extended
from mail.imap.summary import summarize
from mail.message.fields import parse_header
from mail.message.line_ends import with_crlf
from mail.message.parameters import parse_valued
from mail.message.plain_text import search_text
from mail.message.scan import Part, Scanned, scan
from mail.now import SetClock
from mail.store.engine import Store
from tests.imap_shapes import read_body, read_envelope
from tests.keeper_office import Office, asked, delivery
from tests.vectors import vectors

FOLDERS = {"mime-cpython": 40, "mime-ruby-mail": 90, "bounces-flufl": 100}
Tree = tuple[str, list["Tree"]]

# What the second opinion does, and why we do not.
REASONS = {
    "message-subtypes": "it divides every message/*; only rfc822 and global hold a message: RFC 3464 §2.1, "
    "RFC 2046 §5.2.2 and §5.2.3, RFC 6522 §3",
    "no-parts": "it keeps a multipart without parts; RFC 2046 §5.1.1 wants at least one, and RFC 9051 §9 "
    "(body-type-mpart) cannot say none",
    "no-empty-line": "it ends a header at the first line that is no field; RFC 5322 §2.1 ends it at the empty line",
    "no-close": "it takes a line end from a last part that no delimiter ends; by RFC 2046 §5.1.1 only the one before a "
    "delimiter is not the part's",
    "raw-octets": "it replaces octets in a parameter that are not ASCII; RFC 6532 §3.2 makes them UTF-8",
}


def messages(folder: str) -> list[tuple[Path, bytes]]:
    found = [path for path in sorted(vectors(folder).rglob("*")) if path.is_file()]
    return [(path, with_crlf(path.read_bytes())) for path in found if path.name not in ("LICENSE", "SOURCE")]


def ours(part: Part) -> Tree:
    inside = part.children or ([part.message] if part.message is not None else [])
    return part.content_type.value.decode("latin-1"), [ours(one) for one in inside]


def theirs(message: Message, reasons: set[str]) -> Tree:
    kind = message.get_content_type()
    inside = message.get_payload() if message.is_multipart() else []
    assert isinstance(inside, list)
    if message.get_content_maintype() == "message" and kind not in ("message/rfc822", "message/global"):
        if inside:
            reasons.add("message-subtypes")
        return kind, []
    if message.get_content_maintype() == "multipart" and not inside:
        reasons.add("no-parts")
        return "text/plain", []
    return kind, [theirs(one, reasons) for one in inside if isinstance(one, Message)]


def leaves(part: Part) -> list[Part]:
    return [one for one in Scanned(parse_header(b""), part, ()).parts() if not one.children and one.message is None]


def their_leaves(message: Message) -> list[Message]:
    if message.get_content_maintype() == "message" and message.get_content_type() != "message/rfc822":
        return [message]
    inside = message.get_payload()
    if not message.is_multipart() or not isinstance(inside, list):
        return [message]
    return [leaf for one in inside if isinstance(one, Message) for leaf in their_leaves(one)]


def differences(octets: bytes, scanned: Scanned, reasons: set[str]) -> list[object]:
    """What the second opinion sees otherwise; `reasons` gets those that explain what is left out here."""
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    found: list[object] = []
    one, other = ours(scanned.root), theirs(message, reasons)
    if one != other:
        return [one, other]
    for mine, second in zip(leaves(scanned.root), their_leaves(message), strict=True):
        found += compared(octets, mine, second, scanned, reasons)
    return found


def compared(octets: bytes, mine: Part, second: Message, scanned: Scanned, reasons: set[str]) -> list[object]:
    found: list[object] = []
    if second.get_content_maintype() == "multipart":
        return found
    payload = second.__dict__["_payload"]
    if isinstance(payload, str):
        # Undecoded, which no method of it gives.
        raw, body = payload.encode("ascii", "surrogateescape"), octets[mine.body : mine.end]
        if raw != body and not {"not-a-field", "part-without-header"}.isdisjoint(scanned.defects):
            reasons.add("no-empty-line")
            # No octet is lost: what it shows as body is header here, at worst.
            assert raw in octets[mine.start : mine.end] + b"\r\n"
        elif raw != body and body == raw + b"\r\n" and mine.end == len(octets):
            reasons.add("no-close")
        elif raw != body:
            found.append((raw[-80:], body[-80:]))
    charset, filename = second.get_param("charset"), second.get_filename()
    if charset is not None and collapse_rfc2231_value(charset) != mine.content_type.text(b"charset"):
        found.append((charset, mine.content_type.text(b"charset")))
    disposition = parse_valued(mine.first(b"content-disposition") or b"")
    name = disposition.text(b"filename") or mine.content_type.text(b"name")
    if filename is not None and str(make_header(decode_header(filename))) != name:
        if "\ufffd" in filename:
            reasons.add("raw-octets")
        else:
            found.append((filename, name))
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_message_is_seen_as_the_second_opinion_sees_it_but_for_reasons(folder: str) -> None:
    wrong: list[object] = []
    for path, octets in messages(folder):
        reasons: set[str] = set()
        found = differences(octets, scan(octets), reasons)
        wrong += [(path.name, found)] if found else []
        assert reasons <= REASONS.keys()
    assert wrong == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_message_is_shown_as_imap_wants_it(folder: str) -> None:
    found = messages(folder)
    for path, octets in found:
        summary = summarize(octets)
        read_envelope(summary.envelope)
        body = read_body(summary.bodystructure)
        assert body["type"].decode("latin-1") == scan(octets).root.content_type.value.decode("latin-1"), path
        assert non_extended(summary.bodystructure).count(b"(") <= summary.bodystructure.count(b"("), path
    assert len(found) >= FOLDERS[folder]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_message_is_described_and_searched(folder: str) -> None:
    for path, octets in messages(folder):
        described = structure(path.read_bytes())
        orjson.dumps(described)
        sections = [one["path"] for one in described["parts"]]
        assert len(set(sections)) == len(sections) and described["size"] == len(octets), path
        assert len(search_text(octets, scan(octets), 5000)) <= 5000


@pytest.mark.parametrize("folder", FOLDERS)
async def test_every_message_is_read_back_octet_for_octet(
    folder: str, sqlite_store: Store, tmp_path: Path, clock: SetClock
) -> None:
    office = Office(sqlite_store, tmp_path, clock)
    office.committer.start()
    try:
        sent = [octets for _, octets in messages(folder) if octets]
        await asyncio.gather(*(asked(office, "deliver", delivery(one, "ann@a.example"), one) for one in sent))
        prefix = b"Delivered-To: ann@a.example\r\n"
        stored = [octets.removeprefix(prefix) for _, octets in office.stored(office.ann)]
    finally:
        office.close()
    assert sorted(map(digest, stored)) == sorted(map(digest, sent))


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
