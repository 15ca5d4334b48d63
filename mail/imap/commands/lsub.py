"""LSUB. RFC 3501 §6.3.9."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class Lsub:
    reference: str
    pattern: str


def parse(cursor: Cursor, uid: bool = False) -> Lsub:
    cursor.space()
    reference = cursor.list_mailbox() if cursor.peek() != b" " else ""
    cursor.space()
    return Lsub(reference, cursor.list_mailbox())
