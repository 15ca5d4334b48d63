"""GETQUOTA. RFC 9208 §4.3.2."""

from dataclasses import dataclass

from mail.imap.grammar import Cursor


@dataclass(frozen=True, slots=True)
class GetQuota:
    root: bytes


def parse(cursor: Cursor, uid: bool = False) -> GetQuota:
    cursor.space()
    return GetQuota(cursor.astring())
