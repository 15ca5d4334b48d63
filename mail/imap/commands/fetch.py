"""FETCH and UID FETCH. RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516 (BINARY), RFC 7162 §3.1.4 and §3.2.6."""

import re
from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.sections import FIELDS, FIELDS_NOT, HEADER, MIME, TEXT, Section
from mail.imap.sequence import SequenceSet

ITEMS_MAX = 100
FIELDS_MAX = 200

MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
PLAIN = ("ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "UID", "BODYSTRUCTURE", "MODSEQ")
# The old names and what they mean now: RFC 3501 §6.4.5.
OLD = {
    "RFC822": (Section(), False),
    "RFC822.HEADER": (Section((), HEADER), True),
    "RFC822.TEXT": (Section((), TEXT), False),
}

# section-part = nz-number *("." nz-number)
_PATH = re.compile(rb"[1-9][0-9]{0,3}(?:\.[1-9][0-9]{0,3}){0,50}")
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([1-9][0-9]{0,9})>")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to fetch. `label` is what the response calls it; `start` and `count` are of `<start.count>`."""

    kind: str  # one of PLAIN, BODY (the structure), SECTION, BINARY, BINARY.SIZE
    label: bytes
    section: Section = Section()
    peek: bool = True
    start: int = 0
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    messages: SequenceSet
    items: tuple[Item, ...]
    uid: bool
    changed_since: int | None = None
    vanished: bool = False


def parse(cursor: Cursor, uid: bool = False) -> Fetch:
    cursor.space()
    messages = cursor.sequence()
    cursor.space()
    items = _items(cursor)
    changed_since, vanished = None, False
    if cursor.skip(b" ("):
        changed_since, vanished = _modifiers(cursor)
        if vanished and not uid:
            raise BadSyntax("VANISHED is for UID FETCH")
    return Fetch(messages, tuple(items), uid, changed_since, vanished)


def _items(cursor: Cursor) -> list[Item]:
    if cursor.peek() == b"(":
        items = [item for found in cursor.list_of(lambda: _item(cursor)) for item in found]
        if len(items) > ITEMS_MAX:
            raise BadSyntax("too many items")
        return items
    place = cursor.place
    name = cursor.match(_NAME)
    if name and name[0].decode().upper() in MACROS:
        return [Item(kind, kind.encode()) for kind in MACROS[name[0].decode().upper()]]
    cursor.place = place
    return _item(cursor)


def _item(cursor: Cursor) -> list[Item]:
    found = cursor.match(_NAME)
    if not found:
        raise BadSyntax("expected a fetch item")
    name = found[0].decode().upper()
    if name in PLAIN:
        return [Item(name, name.encode())]
    if name in OLD:
        section, peek = OLD[name]
        return [Item("SECTION", name.encode(), section, peek)]
    if name in ("BODY", "BODY.PEEK", "BINARY", "BINARY.PEEK", "BINARY.SIZE") and cursor.peek() == b"[":
        return [_bracketed(cursor, name)]
    if name == "BODY":
        return [Item("BODY", b"BODY")]
    raise BadSyntax(f"unknown fetch item {name[:40]}")


def _bracketed(cursor: Cursor, name: str) -> Item:
    cursor.expect(b"[")
    section, label = _section(cursor, text=name.startswith("BODY"))
    cursor.expect(b"]")
    start, count = 0, None
    shown = name.removesuffix(".PEEK").encode() + b"[" + label + b"]"
    partial = cursor.match(_PARTIAL) if name != "BINARY.SIZE" else None
    if partial:
        start, count = int(partial[1]), int(partial[2])
        shown += b"<%d>" % start
    kind = "SECTION" if name.startswith("BODY") else name.removesuffix(".PEEK")
    peek = name.endswith(".PEEK") or kind == "BINARY.SIZE"
    return Item(kind, shown, section, peek, start, count)


def _section(cursor: Cursor, *, text: bool) -> tuple[Section, bytes]:
    """What stands between the brackets, and how the response spells it."""
    found = cursor.match(_PATH)
    path = tuple(map(int, found[0].split(b"."))) if found else ()
    label = found[0] if found else b""
    if path and (not text or not cursor.skip(b".")):
        return Section(path), label
    if not text:
        return Section(), b""
    word = cursor.match(_NAME)
    if word is None:
        if path:
            raise BadSyntax("expected HEADER, TEXT or MIME")
        return Section(), b""
    what = word[0].decode().upper()
    if what not in (HEADER, FIELDS, FIELDS_NOT, TEXT, MIME) or (what == MIME and not path):
        raise BadSyntax("unknown section")
    label = (label + b"." if path else b"") + what.encode()
    if what not in (FIELDS, FIELDS_NOT):
        return Section(path, what), label
    cursor.space()
    names = cursor.list_of(cursor.astring)
    if len(names) > FIELDS_MAX or any(not name or b"\r" in name or b"\n" in name for name in names):
        raise BadSyntax("invalid list of header fields")
    listed = b" ".join(_field_name(name) for name in names)
    return Section(path, what, tuple(name.lower() for name in names)), label + b" (" + listed + b")"


def _field_name(name: bytes) -> bytes:
    plain = name.isascii() and all(0x21 <= octet <= 0x7E and octet not in b'(){%*"\\]' for octet in name)
    return name.upper() if plain else b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _modifiers(cursor: Cursor) -> tuple[int, bool]:
    changed_since, vanished = None, False
    while True:
        if cursor.skip(b"CHANGEDSINCE "):
            changed_since = cursor.number(bits=63)
        elif cursor.skip(b"VANISHED"):
            vanished = True
        else:
            raise BadSyntax("unknown fetch modifier")
        if cursor.skip(b")"):
            break
        cursor.space()
    if changed_since is None:
        raise BadSyntax("VANISHED needs CHANGEDSINCE")
    return changed_since, vanished
