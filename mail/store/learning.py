"""What the junk filter and reputation learn from where messages lie and how they are flagged (features B06, B07).

Each copy of a message is ham, spam or neither by its $NotJunk and $Junk (`mail.store.classes`). A transaction gathers
what happens to copies, whatever the door; `flush` brings `arrival.ham` and `.spam` up by it:

    class of a message    ham while it has ham copies and no spam ones, spam the other way round, else none
    history               follows in the same transaction, save where very many messages change at once
    junk words            follow later: the row is `pending`, and the job `learn` is woken
    the last copy goes    its row goes; what was learnt of it stays (docs/decisions/learnt-stays.md)
    taken out of Rejects  it is no longer `rejected` and has a history from then on; the copy is unseen (features B08)

A handful of statements do all of it, for one message or a thousand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Delete, Select, bindparam, delete, exists, select

from mail.imap.envelope import recipients
from mail.policy import sent
from mail.policy.account_rules import AccountRules, parse_rules
from mail.policy.automatic_flags import class_for
from mail.store import arrival_rows, history
from mail.store.arrival_rows import Arrival
from mail.store.classes import CLASSIFYING, HAM, NONE, SPAM, class_of_flags
from mail.store.flags import JUNK, NOTJUNK, SEEN
from mail.store.names import normalized
from mail.store.rows import ArrivalRow, NewMessage, among, is_one_of, many, plain, upsert
from mail.store.schema import arrival, blob, message

# History of so many messages is written at once; that of more is left to the job: others wait to write.
FILED_AT_ONCE = 200

_AUTOMATIC = {"junk": JUNK, "notjunk": NOTJUNK, "neutral": 0, None: 0}
_rules_of = lru_cache(maxsize=4096)(parse_rules)


class Place(NamedTuple):
    """A mailbox, and the rules of its account as they are stored."""

    account_id: int
    incoming: str
    mailbox: str
    special_use: str

    @property
    def rules(self) -> AccountRules:
        return _rules_of(self.incoming)

    @property
    def meaning(self) -> str | None:
        return class_for(self.mailbox, self.special_use, self.rules)


@dataclass(slots=True)
class _Copies:
    """What a transaction does to the copies of one message; the place and time of one of them."""

    mailbox: str = ""
    received_at: int = 0
    ham: int = 0
    spam: int = 0

    def count(self, flags: int, sign: int) -> None:
        found = class_of_flags(flags)
        if found == HAM:
            self.ham += sign
        elif found == SPAM:
            self.spam += sign


@lru_cache
def _rejected(dialect: str) -> Select[Any]:
    return select(arrival.c.blob_id).where(
        arrival.c.account_id == bindparam("of_account"), arrival.c.rejected, among(dialect, arrival.c.blob_id, "blobs")
    )


@lru_cache
def _add_arrived(dialect: str) -> Any:
    return upsert(dialect, arrival).on_conflict_do_nothing()


@lru_cache
def _forget_lonely(dialect: str) -> Delete:
    """Rows of the parameter `blobs` of which no copy is left."""
    copy = exists().where(message.c.account_id == arrival.c.account_id, message.c.blob_id == arrival.c.blob_id)
    return delete(arrival).where(
        arrival.c.account_id == bindparam("of_account"), among(dialect, arrival.c.blob_id, "blobs"), ~copy
    )


class Learning:
    """What one transaction teaches, gathered by account and blob."""

    def __init__(self, tx: Connection, wake: set[str]) -> None:
        self._tx = tx
        self._wake = wake
        self.forget()

    def forget(self) -> None:
        """Drop what was gathered since the last `flush`."""
        self._arrived: dict[tuple[int, str], ArrivalRow] = {}
        self._copies: dict[int, dict[str, _Copies]] = {}
        self._rescued: dict[int, set[str]] = {}
        self._gone: dict[int, set[str]] = {}
        self._sent: dict[int, dict[str, int]] = {}

    def put(self, place: Place, added: Sequence[NewMessage]) -> list[int]:
        """Messages come into a mailbox; returns the flags they get: those of the mailbox where theirs say nothing."""
        automatic = _AUTOMATIC[place.meaning]
        account_id = place.account_id
        is_sent = "\\Sent" in place.special_use
        gone = self._gone.get(account_id)
        given: list[int] = []
        for one in added:
            flags = one.flags if one.flags & CLASSIFYING else one.flags | automatic
            given.append(flags)
            if one.arrival is not None:
                self._arrived.setdefault((account_id, one.blob_id), one.arrival)
            elif is_sent:
                self._sent.setdefault(account_id, {})[one.blob_id] = one.received_at
            if flags & CLASSIFYING:
                self._count(place, one.blob_id, one.received_at, flags, 1)
            if gone:
                gone.discard(one.blob_id)
        return given

    def taken(self, place: Place, copies: Sequence[tuple[int, str]], *, elsewhere: bool) -> list[int]:
        """Before `put`: the flags that copies of (flags, blob) messages take into a mailbox. `elsewhere`: they come
        from another one.
        """
        kept = -1 if place.meaning is None else ~CLASSIFYING
        rescued: set[str] = set()
        if elsewhere and place.mailbox != normalized(place.rules.rejects_mailbox):
            rescued = self._rejected(place.account_id, [blob_id for _, blob_id in copies])
            self._rescued.setdefault(place.account_id, set()).update(rescued)
        return [flags & kept & ~SEEN if blob_id in rescued else flags & kept for flags, blob_id in copies]

    def _rejected(self, account_id: int, blob_ids: Sequence[str]) -> set[str]:
        values = {"of_account": account_id, "blobs": many(self._tx, blob_ids)}
        found = plain(self._tx.execute(_rejected(self._tx.dialect.name), values)).fetchall()
        return {blob_id for (blob_id,) in found}

    def reflagged(self, place: Place, changed: Iterable[tuple[str, int, int, int]]) -> None:
        """Copies changed: (blob, INTERNALDATE, flags before, flags now)."""
        for blob_id, received_at, before, now in changed:
            self._count(place, blob_id, received_at, before, -1)
            self._count(place, blob_id, received_at, now, 1)

    def removed(self, place: Place, copies: Iterable[tuple[int, str]]) -> None:
        """Copies went: (flags, blob)."""
        gone = self._gone.setdefault(place.account_id, set())
        for flags, blob_id in copies:
            gone.add(blob_id)
            if flags & CLASSIFYING:
                self._count(place, blob_id, 0, flags, -1)

    def _count(self, place: Place, blob_id: str, received_at: int, flags: int, sign: int) -> None:
        copies = self._copies.setdefault(place.account_id, {})
        found = copies.get(blob_id)
        if found is None:
            found = copies[blob_id] = _Copies()
        if sign > 0:
            found.mailbox, found.received_at = place.mailbox, received_at
        found.count(flags, sign)

    def flush(self) -> None:
        """Write it. The rows of messages and blobs are written."""
        if self._arrived:
            self._add_arrived()
        for account_id, gone in self._gone.items():
            if gone:
                self._forget_last(account_id, gone)
        for account_id in self._copies.keys() | self._rescued.keys():
            self._settle(account_id, self._copies.get(account_id, {}), self._rescued.get(account_id, set()))
        for account_id, blobs in self._sent.items():
            self._note_sent(account_id, blobs)
        self.forget()

    def _add_arrived(self) -> None:
        rows = [
            {
                "account_id": account_id,
                "blob_id": blob_id,
                "mailbox": one.mailbox,
                "received_at": one.received_at,
                "keys": history.pack_keys(one.keys),
                "localpart": one.localpart,
                "rejected": one.rejected,
            }
            for (account_id, blob_id), one in self._arrived.items()
        ]
        self._tx.execute(_add_arrived(self._tx.dialect.name), rows)

    def _forget_last(self, account_id: int, blob_ids: set[str]) -> None:
        """What was learnt stays; there is nothing left it could follow."""
        values = {"of_account": account_id, "blobs": many(self._tx, blob_ids)}
        self._tx.execute(_forget_lonely(self._tx.dialect.name), values)

    def _settle(self, account_id: int, copies: dict[str, _Copies], rescued: set[str]) -> None:
        wanted = rescued | {blob_id for blob_id, one in copies.items() if one.ham or one.spam}
        if not wanted:
            return
        found = arrival_rows.load(self._tx, account_id, wanted)
        missing = wanted - {one.blob_id for one in found}
        new: list[Arrival] = []
        for blob_id in missing:
            one = copies.get(blob_id)
            # One that went with its last copy needs no row any more.
            if one is not None and (one.ham > 0 or one.spam > 0):
                new.append(Arrival(blob_id, one.received_at, b"", 0, False, 0, 0, NONE, NONE))
        for row in (*found, *new):
            change = copies.get(row.blob_id)
            if change is not None:
                row.ham += change.ham
                row.spam += change.spam
            row.rejected = row.rejected and row.blob_id not in rescued
        if len(found) <= FILED_AT_ONCE:
            history.file(self._tx, account_id, arrival_rows.refiled(found))
        pending = arrival_rows.write(self._tx, account_id, found)
        pending |= arrival_rows.add(
            self._tx, account_id, {one.blob_id: copies[one.blob_id].mailbox for one in new}, new
        )
        if pending:
            self._wake.add("learn")

    def _note_sent(self, account_id: int, blobs: dict[str, int]) -> None:
        wanted = select(blob.c.id, blob.c.envelope).where(is_one_of(self._tx, blob.c.id, "blobs"))
        found: dict[int, int] = {}
        for blob_id, envelope in plain(self._tx.execute(wanted, {"blobs": many(self._tx, blobs)})).fetchall():
            for key in sent.keys(recipients(envelope)):
                found[key] = max(found.get(key, 0), blobs[blob_id])
        history.add_sent(self._tx, account_id, found)
