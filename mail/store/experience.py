"""What accounts know that arriving mail is judged by, asked for a whole batch of messages at once.

    wanted.add(account_id, ...) for each message and recipient -> known = wanted.load(connection)

A few statements for each account however many messages there are, each by an index and bounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func, select

from mail.store.history import Past, load_history, load_sent
from mail.store.junk_words import Totals, counts
from mail.store.rows import among, many, plain
from mail.store.schema import account, junk_total
from mail.store.usage import Usage


@dataclass(slots=True)
class Known:
    """What one account knows; what it was not asked for, or has not, is missing. `usage` None: the account is gone.
    `promised`: octets that messages of the batch will take, which were decided and are not written yet.
    """

    usage: Usage | None = None
    learnt: Totals = Totals()
    earlier: dict[int, list[Past]] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    words: dict[int, tuple[int, int]] = field(default_factory=dict)
    promised: int = 0


@dataclass(slots=True)
class _Asked:
    earlier: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    words: set[int] = field(default_factory=set)


class Wanted:
    def __init__(self) -> None:
        self._accounts: dict[int, _Asked] = {}

    def add(self, account_id: int, earlier: Iterable[int], sent: Iterable[int], words: Iterable[int]) -> None:
        """Keys of `mail.store.history`, and the numbers of words."""
        asked = self._accounts.get(account_id)
        if asked is None:
            asked = self._accounts[account_id] = _Asked()
        asked.earlier.update(earlier)
        asked.sent.update(sent)
        asked.words.update(words)

    def load(self, connection: Connection) -> dict[int, Known]:
        """By account."""
        known = {account_id: Known() for account_id in self._accounts}
        found = connection.execute(_standing(connection.dialect.name), {"ids": many(connection, known)})
        for account_id, size, quota, hams, spams in plain(found).fetchall():
            known[account_id].usage = Usage(size, quota)
            known[account_id].learnt = Totals(hams, spams)
        for account_id, asked in self._accounts.items():
            one = known[account_id]
            one.earlier = load_history(connection, account_id, asked.earlier)
            one.sent = load_sent(connection, account_id, asked.sent)
            if asked.words and any(one.learnt):
                one.words = counts(connection, account_id, asked.words)
        return known


@lru_cache
def _standing(dialect: str) -> Select[Any]:
    """What accounts hold and may hold, and how many messages their filters have learnt."""
    learnt = (func.coalesce(junk_total.c.hams, 0), func.coalesce(junk_total.c.spams, 0))
    return (
        select(account.c.id, account.c.size, account.c.quota, *learnt)
        .select_from(account.outerjoin(junk_total, junk_total.c.account_id == account.c.id))
        .where(among(dialect, account.c.id, "ids"))
    )
