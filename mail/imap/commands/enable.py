"""ENABLE. RFC 9051 §6.3.1, RFC 5161."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class Enable:
    capabilities: tuple[str, ...]


def parse(cursor: Cursor, uid: bool = False) -> Enable:
    words = []
    cursor.space()
    words.append(cursor.word())
    while cursor.skip(b" "):
        words.append(cursor.word())
    return Enable(tuple(words))
