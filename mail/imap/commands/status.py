"""STATUS. RFC 9051 §6.3.11, RFC 3501 §6.3.10 (RECENT), RFC 7162 §3.1.7 (HIGHESTMODSEQ), RFC 7889 §4 (APPENDLIMIT),
RFC 9208 §4.3.4 (DELETED-STORAGE)."""

from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor

ITEMS = frozenset(
    (
        "MESSAGES",
        "UIDNEXT",
        "UIDVALIDITY",
        "UNSEEN",
        "DELETED",
        "SIZE",
        "RECENT",
        "HIGHESTMODSEQ",
        "APPENDLIMIT",
        "DELETED-STORAGE",
    )
)


@dataclass(frozen=True, slots=True)
class Status:
    mailbox: str
    items: tuple[str, ...]


def parse(cursor: Cursor, uid: bool = False) -> Status:
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return Status(mailbox, parse_items(cursor))


def parse_items(cursor: Cursor) -> tuple[str, ...]:
    items = tuple(dict.fromkeys(cursor.list_of(cursor.word)))
    unknown = set(items) - ITEMS
    if unknown:
        raise BadSyntax(f"unknown status item {min(unknown)}")
    return items
