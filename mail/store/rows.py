"""The rows others see, as plain values; and the two phrases SQLite and PostgreSQL spell differently."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, CursorResult, bindparam, column, func, select
from sqlalchemy import any_ as sql_any


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


def is_one_of(connection: Connection, of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`of` is one of the parameter `name`, which `many` makes: one parameter however many values there are."""
    if connection.dialect.name == "sqlite":
        each = func.json_each(bindparam(name)).table_valued(column("value"))
        return of.in_(select(each.c.value))
    return of == sql_any(bindparam(name, type_=ARRAY(of.type)))


def many(connection: Connection, values: Iterable[int] | Iterable[str]) -> object:
    return orjson.dumps(list(values)).decode() if connection.dialect.name == "sqlite" else list(values)


def plain(result: CursorResult[Any]) -> Any:
    """The driver's own cursor: ten thousand `Row` objects cost more than the query that finds them."""
    return result.cursor


def storable(text: str) -> str:
    """Text both engines take: PostgreSQL has no NUL, and neither has a lone surrogate. Such come from hostile mail."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def join_keywords(keywords: Iterable[str]) -> str:
    return " ".join(sorted({keyword.lower() for keyword in keywords}))
