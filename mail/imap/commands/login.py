"""LOGIN. RFC 9051 §6.2.3."""

from dataclasses import dataclass, field

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class Login:
    userid: str
    password: str = field(repr=False)


def parse(cursor: Cursor, uid: bool = False) -> Login:
    cursor.space()
    userid = cursor.text()
    cursor.space()
    return Login(userid, cursor.text())
