"""SELECT and EXAMINE. RFC 9051 §6.3.2, §6.3.3; RFC 7162 §3.1.8 (CONDSTORE), §3.2.5 (QRESYNC)."""

from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Known:
    """What a client that comes back remembers."""

    uidvalidity: int
    modseq: int
    uids: SequenceSet | None


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    condstore: bool = False
    known: Known | None = None


def parse(cursor: Cursor, uid: bool = False) -> Select:
    cursor.space()
    mailbox = cursor.mailbox()
    if not cursor.skip(b" "):
        return Select(mailbox)
    condstore, known = False, None
    cursor.expect(b"(")
    while True:
        word = cursor.word()
        if word == "CONDSTORE":
            condstore = True
        elif word == "QRESYNC":
            cursor.space()
            known = _parse_known(cursor)
        else:
            raise BadSyntax(f"unknown parameter {word}")
        if cursor.skip(b")"):
            return Select(mailbox, condstore, known)
        cursor.space()


def _parse_known(cursor: Cursor) -> Known:
    """`(` uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] `)`"""
    cursor.expect(b"(")
    uidvalidity = cursor.number()
    cursor.space()
    modseq = cursor.number(bits=63)
    uids = None
    if cursor.skip(b" ") and cursor.peek() != b"(":
        uids = _known_set(cursor)
        cursor.skip(b" ")
    if cursor.peek() == b"(":
        # The match of numbers to UIDs only spares work where old expunges are forgotten; the answer is right without.
        cursor.expect(b"(")
        _known_set(cursor)
        cursor.space()
        _known_set(cursor)
        cursor.expect(b")")
    cursor.expect(b")")
    return Known(uidvalidity, modseq, uids)


def _known_set(cursor: Cursor) -> SequenceSet:
    """RFC 7162 §7: a set without `*`."""
    wanted = cursor.sequence()
    if wanted.saved or any(None in ends for ends in wanted.ranges):
        raise BadSyntax("* and $ are not allowed here")
    return wanted
