"""The rows of `arrival`: how many copies of each class a message has, and what was learnt of it so far.

`filed` and `trained` follow the copies: `filed` in history, `trained` in the junk words. Where they lag, `pending` says
so, and the job `learn` brings them up. A message that was rejected has no history until it is taken out (features B08).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, insert, or_, select, update

from mail.store.classes import HAM, NONE, SPAM, class_of_copies
from mail.store.history import Filing
from mail.store.rows import is_one_of, many, plain
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


def chosen(tx: Connection) -> Select[Any]:
    """Of the parameter `account_id`, those of the parameter `blobs`."""
    return select(*_COLUMNS).where(
        arrival.c.account_id == bindparam("account_id"), is_one_of(tx, arrival.c.blob_id, "blobs")
    )


def load(tx: Connection, wanted: Select[Any], account_id: int, blob_ids: Iterable[str]) -> list[Arrival]:
    """The rows of `wanted`, which is `chosen` or less of it."""
    found = plain(tx.execute(wanted, {"account_id": account_id, "blobs": many(tx, blob_ids)}))
    return [Arrival(*values) for values in found.fetchall()]


def write(tx: Connection, account_id: int, rows: Iterable[Arrival]) -> bool:
    """Write what changed of rows that are there; one statement for all that come to say the same. True: some are
    pending.
    """
    alike: dict[tuple[Any, ...], list[str]] = {}
    for one in rows:
        values = (bool(one.rejected), one.ham, one.spam, one.filed, one.trained, one.pending)
        alike.setdefault(values, []).append(one.blob_id)
    names = ("rejected", "ham", "spam", "filed", "trained", "pending")
    place = (arrival.c.account_id == account_id, is_one_of(tx, arrival.c.blob_id, "blobs"))
    for values, blob_ids in alike.items():
        written = update(arrival).where(*place).values(dict(zip(names, values, strict=True)))
        tx.execute(written, {"blobs": many(tx, blob_ids)})
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
