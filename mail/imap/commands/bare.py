"""Commands without arguments. RFC 9051 §6: CAPABILITY, NOOP, LOGOUT, STARTTLS, NAMESPACE, IDLE, CHECK and others."""

from mail.imap.grammar import Cursor


def parse(cursor: Cursor, uid: bool = False) -> None:
    return None
