"""The rows others see, as plain values; and the phrases SQLite and PostgreSQL spell differently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, CursorResult, Table, bindparam, column, func, select
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
class ArrivalRow:
    """How a message came: what it is filed under once it is classified. `mailbox` is where it was meant to go, whose
    history the keys are of; `rejected`: refused, and kept all the same.
    """

    mailbox: str
    received_at: int
    keys: tuple[int, ...] = ()
    localpart: int = 0
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to put into a mailbox; its blob row exists or is added in the same transaction.

    `arrival` for one that was delivered; the first of an account and blob counts.
    """

    blob_id: str
    size: int
    received_at: int
    prefix: bytes = b""
    flags: int = 0
    keywords: tuple[str, ...] = ()
    arrival: ArrivalRow | None = None


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
    return among(connection.dialect.name, of, name)


def among(dialect: str, of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`is_one_of` for statements that are made once for each database: making one costs as much as running it."""
    if dialect == "sqlite":
        each = func.json_each(bindparam(name)).table_valued(column("value"))
        return of.in_(select(each.c.value))
    return of == sql_any(bindparam(name, type_=ARRAY(of.type)))


def many(connection: Connection, values: Iterable[int] | Iterable[str]) -> object:
    return orjson.dumps(list(values)).decode() if connection.dialect.name == "sqlite" else list(values)


def gathered(dialect: str, *columns: ColumnElement[int]) -> list[ColumnElement[Any]]:
    """Each column of all rows as one value, which `scattered` reads. SQLite lets other threads run after each row: a
    thousand rows are a thousand times to wait for them.
    """
    gather = func.json_group_array if dialect == "sqlite" else func.array_agg
    return [gather(column) for column in columns]


def scattered(values: Sequence[Any]) -> list[list[int]]:
    return [orjson.loads(one) if isinstance(one, str) else one or [] for one in values]


def upsert(dialect: str, table: Table) -> Any:
    """An INSERT that can say what happens to a row that is there: both spell it alike, each with its own type."""
    # Only the one in use: the other would cost every process of the store 2 MiB.
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


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
