"""EXPUNGE and UID EXPUNGE. RFC 9051 §6.4.3, §6.4.9."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor
from mail.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Expunge:
    """`messages` None: all that are deleted."""

    messages: SequenceSet | None


def parse(cursor: Cursor, uid: bool = False) -> Expunge:
    if not uid:
        return Expunge(None)
    cursor.space()
    return Expunge(cursor.sequence())
