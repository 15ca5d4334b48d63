"""Commands that name one mailbox: DELETE, SUBSCRIBE, UNSUBSCRIBE. RFC 9051 §6.3.5, §6.3.7, §6.3.8."""

from mail.imap.grammar import Cursor


def parse(cursor: Cursor, uid: bool = False) -> str:
    cursor.space()
    return cursor.mailbox()
