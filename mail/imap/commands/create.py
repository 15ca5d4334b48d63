"""CREATE, with USE. RFC 9051 §6.3.4, RFC 6154 §3."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class Create:
    mailbox: str
    uses: tuple[str, ...] = ()


def parse(cursor: Cursor, uid: bool = False) -> Create:
    cursor.space()
    mailbox = cursor.mailbox()
    if not cursor.skip(b" "):
        return Create(mailbox)
    cursor.expect(b"(USE ")
    uses = cursor.list_of(cursor.flag, empty=True)
    cursor.expect(b")")
    return Create(mailbox, tuple(uses))
