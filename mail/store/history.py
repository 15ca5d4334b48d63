"""What an account's owner said about earlier mail, and whom he wrote to: the past that reputation is made of (B06).

A classified message has a row under each of its keys; the newest 100 of a key are kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from struct import pack, unpack
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, func, select

from mail.store.classes import NONE, SPAM
from mail.store.engine import Store
from mail.store.rows import among, many, plain, upsert
from mail.store.schema import history, sent_to

# Reputation looks at 50 (features B06); beyond that is for those taken back.
OF_A_KEY = 100


class Filing(NamedTuple):
    """A message whose class has changed, from `filed` to `now`."""

    blob_id: str
    at: int
    keys: bytes
    localpart: int
    filed: int
    now: int


class Past(NamedTuple):
    at: int
    junk: bool
    localpart: int


def pack_keys(keys: Sequence[int]) -> bytes:
    """As `arrival.keys` holds them."""
    return pack(f">{len(keys)}q", *keys)


def unpack_keys(octets: bytes) -> tuple[int, ...]:
    return unpack(f">{len(octets) // 8}q", octets)


def arrival_number(blob_id: str) -> int:
    """`history.arrival` of a blob."""
    return int.from_bytes(bytes.fromhex(blob_id[:16]), signed=True)


_REMOVE = delete(history).where(
    history.c.account_id == bindparam("of_account"),
    history.c.key == bindparam("of_key"),
    history.c.at == bindparam("of_at"),
    history.c.arrival == bindparam("of_arrival"),
)
_OLD_HISTORY = select(
    history.c.account_id.label("of_account"),
    history.c.key.label("of_key"),
    history.c.at.label("of_at"),
    history.c.arrival.label("of_arrival"),
).where(history.c.at < bindparam("before"))
_OLD_SENT = select(sent_to.c.account_id.label("of_account"), sent_to.c.key.label("of_key"), sent_to.c.at.label("of_at"))
_OLD_SENT = _OLD_SENT.where(sent_to.c.at < bindparam("before"))
# By its time too: somebody may be written to between the look and the removal.
_REMOVE_SENT = delete(sent_to).where(
    sent_to.c.account_id == bindparam("of_account"),
    sent_to.c.key == bindparam("of_key"),
    sent_to.c.at == bindparam("of_at"),
)
_SURPLUS = (
    select(history.c.key, history.c.at, history.c.arrival)
    .where(history.c.account_id == bindparam("of_account"), history.c.key == bindparam("of_key"))
    .order_by(history.c.at.desc(), history.c.arrival.desc())
    .offset(OF_A_KEY)
)


@lru_cache
def _add(dialect: str) -> Any:
    """The class may have changed from one to the other."""
    insert = upsert(dialect, history)
    return insert.on_conflict_do_update(index_elements=history.primary_key, set_={"junk": insert.excluded.junk})


@lru_cache
def _full(dialect: str) -> Select[Any]:
    """Which of the parameter `keys` have more rows than are kept."""
    return (
        select(history.c.key)
        .where(history.c.account_id == bindparam("of_account"), among(dialect, history.c.key, "keys"))
        .group_by(history.c.key)
        .having(func.count() > OF_A_KEY)
    )


def file(tx: Connection, account_id: int, filings: Iterable[Filing]) -> None:
    """Bring the rows of messages to their new class."""
    kept: dict[int, list[dict[str, Any]]] = {}
    gone: list[tuple[int, int, int]] = []
    for one in filings:
        arrival = arrival_number(one.blob_id)
        if one.now == NONE:
            gone += [(key, one.at, arrival) for key in unpack_keys(one.keys)]
            continue
        values = {"account_id": account_id, "at": one.at, "arrival": arrival, "localpart": one.localpart}
        values["junk"] = one.now == SPAM
        for key in unpack_keys(one.keys):
            kept.setdefault(key, []).append({"key": key, **values})
    _remove(tx, account_id, gone)
    if kept:
        _keep(tx, account_id, kept)


def _keep(tx: Connection, account_id: int, kept: Mapping[int, list[dict[str, Any]]]) -> None:
    # In the order of the table: half the time of random places.
    rows = [row for key in sorted(kept) for row in nlargest(OF_A_KEY, kept[key], lambda row: row["at"])]
    dialect = tx.dialect.name
    tx.execute(_add(dialect), rows)
    full = plain(tx.execute(_full(dialect), {"of_account": account_id, "keys": many(tx, kept)})).fetchall()
    for (key,) in full:
        _remove(tx, account_id, tx.execute(_SURPLUS, {"of_account": account_id, "of_key": key}).all())


def _remove(tx: Connection, account_id: int, rows: Iterable[tuple[int, int, int]]) -> None:
    """Take away rows of (key, at, arrival)."""
    places = [
        {"of_account": account_id, "of_key": key, "of_at": at, "of_arrival": arrival} for key, at, arrival in rows
    ]
    if places:
        tx.execute(_REMOVE, places)


def load_history(connection: Connection, account_id: int, keys: Iterable[int]) -> dict[int, list[Past]]:
    """What is filed under each of these keys, newest first; keys without a past are missing."""
    values = {"account_id": account_id, "keys": many(connection, keys)}
    found: dict[int, list[Past]] = {}
    for key, at, junk, localpart in plain(connection.execute(_history(connection.dialect.name), values)).fetchall():
        found.setdefault(key, []).append(Past(at, bool(junk), localpart))
    return found


@lru_cache
def _history(dialect: str) -> Select[Any]:
    return (
        select(history.c.key, history.c.at, history.c.junk, history.c.localpart)
        .where(history.c.account_id == bindparam("account_id"), among(dialect, history.c.key, "keys"))
        .order_by(history.c.key, history.c.at.desc())
    )


def load_sent(connection: Connection, account_id: int, keys: Iterable[int]) -> dict[int, int]:
    """When the account last wrote to those of these keys that it wrote to."""
    values = {"account_id": account_id, "keys": many(connection, keys)}
    return dict(plain(connection.execute(_sent(connection.dialect.name), values)).fetchall())


@lru_cache
def _sent(dialect: str) -> Select[Any]:
    return select(sent_to.c.key, sent_to.c.at).where(
        sent_to.c.account_id == bindparam("account_id"), among(dialect, sent_to.c.key, "keys")
    )


def add_sent(tx: Connection, account_id: int, sent: Mapping[int, int]) -> None:
    """Note when the account wrote to these keys; an older time changes nothing."""
    rows = [{"account_id": account_id, "key": key, "at": sent[key]} for key in sorted(sent)]
    if not rows:
        return
    insert = upsert(tx.dialect.name, sent_to)
    newer = insert.excluded.at > sent_to.c.at
    tx.execute(
        insert.on_conflict_do_update(index_elements=sent_to.primary_key, set_={"at": insert.excluded.at}, where=newer),
        rows,
    )


def remove_before(store: Store, at: int, most: int = 2000) -> int:
    """Forget what is older than `at`, at most so much in a transaction; returns how many rows went.

    Neither table is in the order of time, so all of it is looked at: by a reader, for whom nobody waits.
    """
    total = 0
    for old, removal in ((_OLD_HISTORY, _REMOVE), (_OLD_SENT, _REMOVE_SENT)):
        gone = most
        while gone == most:
            with store.read() as connection:
                rows = [dict(row) for row in connection.execute(old.limit(most), {"before": at}).mappings()]
            if rows:
                with store.write() as tx:
                    tx.execute(removal, rows)
            gone = len(rows)
            total += gone
    return total
