"""The rows of `arrival`: how many copies of each class a message has, and what was learnt of it so far.

`filed` and `trained` follow the copies: `filed` in history, `trained` in the junk words. Where they lag, `pending` says
so, and the job `learn` brings them up. A message that was rejected has no history until it is taken out (features B08).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, bindparam, case, insert, or_, select, update

from mail.store.classes import HAM, NONE, SPAM, class_of_copies
from mail.store.history import Filing
from mail.store.rows import among, many, plain
from mail.store.schema import arrival


@dataclass(slots=True)
class Arrival:
    blob_id: str
    received_at: int
    keys: bytes
    localpart: int
    rejected: bool
    ham: int
    spam: int
    filed: int
    trained: int

    @property
    def now(self) -> int:
        """Its class by its copies."""
        return class_of_copies(self.ham, self.spam)

    def refile(self) -> Filing | None:
        """What history has to change; `filed` is that from now on."""
        before, self.filed = self.filed, NONE if self.rejected else self.now
        if before == self.filed:
            return None
        return Filing(self.blob_id, self.received_at, self.keys, self.localpart, before, self.filed)

    @property
    def pending(self) -> bool:
        return self.trained != self.now or self.filed != (NONE if self.rejected else self.now)


_NOW = case(
    (and_(arrival.c.ham > 0, arrival.c.spam == 0), HAM),
    (and_(arrival.c.spam > 0, arrival.c.ham == 0), SPAM),
    else_=NONE,
)


def lags_behind(trained: ColumnElement[int]) -> ColumnElement[bool]:
    """`Arrival.pending` in SQL, for a row trained as `trained`."""
    return or_(trained != _NOW, arrival.c.filed != case((arrival.c.rejected, NONE), else_=_NOW))


def refiled(rows: Iterable[Arrival]) -> list[Filing]:
    """What history has to change so that all of these are filed as they are now."""
    return [filing for one in rows if (filing := one.refile()) is not None]


_COLUMNS = [arrival.c[name] for name in Arrival.__slots__]


# What `write` changes.
_WRITTEN = ("rejected", "ham", "spam", "filed", "trained", "pending")


@lru_cache
def _chosen(dialect: str, *, pending: bool) -> Select[Any]:
    wanted = select(*_COLUMNS).where(*_blobs(dialect))
    return wanted.where(arrival.c.pending) if pending else wanted


@lru_cache
def _write(dialect: str) -> Update:
    values: dict[Any, Any] = {arrival.c[name]: bindparam(f"new_{name}") for name in _WRITTEN}
    return update(arrival).where(*_blobs(dialect)).values(values)


def _blobs(dialect: str) -> tuple[ColumnElement[bool], ...]:
    """Of the parameter `of_account`, those of the parameter `blobs`."""
    return arrival.c.account_id == bindparam("of_account"), among(dialect, arrival.c.blob_id, "blobs")


def load(tx: Connection, account_id: int, blob_ids: Iterable[str], *, pending: bool = False) -> list[Arrival]:
    """The rows of these blobs; only those that are `pending`, when told so."""
    values = {"of_account": account_id, "blobs": many(tx, blob_ids)}
    found = plain(tx.execute(_chosen(tx.dialect.name, pending=pending), values)).fetchall()
    return [Arrival(*row) for row in found]


def write(tx: Connection, account_id: int, rows: Iterable[Arrival]) -> bool:
    """Write what changed of rows that are there; one statement for all that come to say the same. True: some are
    pending.
    """
    alike: dict[tuple[Any, ...], list[str]] = {}
    for one in rows:
        values = (bool(one.rejected), one.ham, one.spam, one.filed, one.trained, one.pending)
        alike.setdefault(values, []).append(one.blob_id)
    for values, blob_ids in alike.items():
        written = {f"new_{name}": value for name, value in zip(_WRITTEN, values, strict=True)}
        tx.execute(_write(tx.dialect.name), {"of_account": account_id, "blobs": many(tx, blob_ids), **written})
    return any(values[-1] for values in alike)


def add(tx: Connection, account_id: int, mailboxes: dict[str, str], rows: Iterable[Arrival]) -> bool:
    """Add rows, with the mailbox of each blob. True: some are pending."""
    added = [
        {
            "account_id": account_id,
            "mailbox": mailboxes[one.blob_id],
            **{name: getattr(one, name) for name in Arrival.__slots__},
            "pending": one.pending,
        }
        for one in rows
    ]
    if added:
        tx.execute(insert(arrival), added)
    return any(values["pending"] for values in added)
