"""COPY, MOVE and their UID forms. RFC 9051 §6.4.7, §6.4.8."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor
from mail.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Copy:
    messages: SequenceSet
    mailbox: str
    uid: bool = False


def parse(cursor: Cursor, uid: bool = False) -> Copy:
    cursor.space()
    messages = cursor.sequence()
    cursor.space()
    return Copy(messages, cursor.mailbox(), uid)
