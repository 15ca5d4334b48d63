"""STORE and UID STORE. RFC 9051 §6.4.6, RFC 7162 §3.1.3 (UNCHANGEDSINCE)."""

from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Store:
    messages: SequenceSet
    action: str  # "+", "-" or "" (replace)
    flags: int
    keywords: frozenset[str]
    silent: bool
    uid: bool
    unchanged_since: int | None = None


def parse(cursor: Cursor, uid: bool = False) -> Store:
    cursor.space()
    messages = cursor.sequence()
    cursor.space()
    unchanged_since = None
    if cursor.peek() == b"(":
        cursor.expect(b"(UNCHANGEDSINCE ")
        unchanged_since = cursor.number(bits=63)
        cursor.expect(b") ")
    action = ""
    if cursor.peek() in (b"+", b"-"):
        action = cursor.peek().decode()
        cursor.expect(action.encode())
    item = cursor.word()
    if item not in ("FLAGS", "FLAGS.SILENT"):
        raise BadSyntax(f"unknown store item {item}")
    cursor.space()
    flags, keywords = cursor.flags()
    return Store(messages, action, flags, keywords, item.endswith(".SILENT"), uid, unchanged_since)
