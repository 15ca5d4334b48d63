"""RENAME. RFC 9051 §6.3.6."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


def parse(cursor: Cursor, uid: bool = False) -> Rename:
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    return Rename(old, cursor.mailbox())
