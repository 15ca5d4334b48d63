"""The rows others see, as plain values; and the two phrases SQLite and PostgreSQL spell differently."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Integer, bindparam, column, func, select
from sqlalchemy import any_ as sql_any
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT


@dataclass(frozen=True, slots=True)
class MailboxRow:
    account_id: int
    id: int
    name: str
    special_use: tuple[str, ...]
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    subscribed: bool
    vanished_floor: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to put into a mailbox; its blob row exists or is added in the same transaction."""

    blob_id: str
    size: int
    received_at: int
    prefix: bytes = b""
    flags: int = 0
    keywords: tuple[str, ...] = ()


class StoredFlags(NamedTuple):
    uid: int
    modseq: int
    flags: int
    keywords: str


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What STORE did: the messages that changed, and those left alone because of UNCHANGEDSINCE."""

    changed: list[StoredFlags]
    modified: list[int]


def uid_in(connection: Connection, uid: ColumnElement[int]) -> ColumnElement[bool]:
    """`uid` is one of the parameter `uids`, which `uids_value` makes: one parameter however many there are."""
    if connection.dialect.name == "sqlite":
        each = func.json_each(bindparam("uids")).table_valued(column("value", Integer))
        return uid.in_(select(each.c.value))
    return uid == sql_any(bindparam("uids", type_=ARRAY(BIGINT)))


def uids_value(connection: Connection, uids: Sequence[int]) -> object:
    return orjson.dumps(list(uids)).decode() if connection.dialect.name == "sqlite" else list(uids)


def join_keywords(keywords: frozenset[str] | set[str] | tuple[str, ...]) -> str:
    return " ".join(sorted({keyword.lower() for keyword in keywords}))
