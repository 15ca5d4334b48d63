"""APPEND, several messages too. RFC 9051 §6.3.12, RFC 3502 (MULTIAPPEND), RFC 3516 §4.4 (literal8), RFC 6855 §4 (UTF8).

The messages themselves are streamed past the grammar; `parse` reads the beginning up to the first message, and
`parse_next` what stands between two.
"""

from dataclasses import dataclass

from mail.imap.grammar import LITERAL, BadSyntax, Cursor


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is said of one message before its octets. `received_at` None: now."""

    flags: int = 0
    keywords: frozenset[str] = frozenset()
    received_at: int | None = None
    utf8: bool = False  # inside `UTF8 (` ... `)`


@dataclass(frozen=True, slots=True)
class Append:
    mailbox: str
    first: Arrival


def parse(cursor: Cursor, uid: bool = False) -> Append:
    cursor.space()
    mailbox = cursor.mailbox()
    return Append(mailbox, parse_next(cursor))


def parse_next(cursor: Cursor) -> Arrival:
    """[SP flag-list] [SP date-time] SP literal; the first SP may be several."""
    cursor.space()
    # imapclient's `multiappend` puts one behind each message and one before the next.
    while cursor.skip(b" "):
        pass
    flags, keywords, received_at = 0, frozenset[str](), None
    if cursor.peek() == b"(":
        flags, keywords = cursor.flags()
        cursor.space()
    if cursor.peek() == b'"':
        received_at = cursor.date_time()
        cursor.space()
    utf8 = cursor.skip(b"UTF8 (")
    announced = LITERAL.match(cursor.octets, cursor.place)
    if not announced or announced.end() != len(cursor.octets):
        raise BadSyntax("expected a literal with the message")
    cursor.place = announced.end()
    return Arrival(flags, keywords, received_at, utf8)


def names_by_literal(cursor: Cursor) -> bool:
    """The literal at the end is the mailbox's name, to be taken as part of the command. The cursor stays."""
    announced = LITERAL.match(cursor.octets, cursor.place + 1)
    return announced is not None and announced.end() == len(cursor.octets)
