"""The only way a mailbox changes.

One block of `changing` is one transaction; an account that changes in it gets one new modseq (RFC 7162); what changed
is published after the commit, so no session can hear of a message it cannot read.

Rows are gathered and written by `flush`, many in a statement: a batch of arrivals for many accounts costs a handful of
statements (`mail.store.arrivals`), and so does a COPY of a thousand.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, insert, select, update

from mail.errors import NoSuchAddress, NoSuchMailbox, OverQuota
from mail.events import Event, Expunged, FlagsChanged, MailboxKeywords, MessageAdded
from mail.now import Clock
from mail.store import traces
from mail.store.engine import Store
from mail.store.flags import DELETED, SEEN
from mail.store.learning import Learning, Place
from mail.store.rows import NewMessage, is_one_of, join_keywords, many, plain, upsert
from mail.store.schema import account, blob, blob_content, dmarc_evaluation, mailbox, mailbox_keyword, message


class Publisher(Protocol):
    """Where events go after the commit: `mail.bus.Bus`, or a list in tests."""

    def publish(self, happened: Iterable[Event], *, wake: Iterable[str] = ()) -> None: ...


@dataclass(slots=True)
class MailboxCounters:
    """A mailbox inside a transaction; written back by `flush`."""

    id: int
    name: str
    special_use: str
    uidvalidity: int
    uidnext: int
    messages: int
    unseen: int
    deleted: int
    size: int
    highestmodseq: int
    keywords: set[str] | None = None
    changed: bool = False

    def count(self, flags: int, size: int, sign: int) -> None:
        self.messages += sign
        self.size += sign * size
        self.unseen += 0 if flags & SEEN else sign
        self.deleted += sign if flags & DELETED else 0


_MAILBOX = select(
    mailbox.c.id,
    mailbox.c.name,
    mailbox.c.special_use,
    mailbox.c.uidvalidity,
    mailbox.c.uidnext,
    mailbox.c.messages,
    mailbox.c.unseen,
    mailbox.c.deleted,
    mailbox.c.size,
    mailbox.c.highestmodseq,
)
_ACCOUNT = select(
    account.c.modseq,
    account.c.size,
    account.c.quota,
    account.c.next_mailbox_id,
    account.c.next_uidvalidity,
    account.c.incoming,
)
# Made once: building a statement costs as much as running it.
_ACCOUNT_BY_ID = _ACCOUNT.where(account.c.id == bindparam("account_id")).with_for_update()
_MAILBOX_BY_ID = _MAILBOX.where(mailbox.c.account_id == bindparam("account_id"), mailbox.c.id == bindparam("wanted"))
_MAILBOX_BY_NAME = _MAILBOX.where(
    mailbox.c.account_id == bindparam("account_id"), mailbox.c.name == bindparam("wanted")
)
_KEYWORDS = select(mailbox_keyword.c.keyword)
_ADD_BLOBS = insert(blob)
_ADD_CONTENTS = insert(blob_content)
_ADD_MESSAGES = insert(message)
_ADD_EVALUATIONS = insert(dmarc_evaluation)
_WRITE_MAILBOX = (
    update(mailbox)
    .where(mailbox.c.account_id == bindparam("of_account"), mailbox.c.id == bindparam("of_mailbox"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("uidnext", "messages", "unseen", "deleted", "size", "highestmodseq")
        }
    )
)
_WRITE_ACCOUNT = (
    update(account)
    .where(account.c.id == bindparam("of_account"))
    .values({name: bindparam(f"new_{name}") for name in ("modseq", "size", "next_mailbox_id", "next_uidvalidity")})
)


class AccountState:
    """An account inside a transaction: its counters, its mailboxes that were touched, and its one new modseq."""

    def __init__(self, changes: "Changes", account_id: int, values: Any) -> None:
        self.changes = changes
        self.id = account_id
        self._modseq, self.size, self.quota, self.next_mailbox_id, self.next_uidvalidity, self.incoming = values
        self.changed = False
        self._ours = 0
        self._by_id: dict[int, MailboxCounters] = {}
        self._by_name: dict[str, MailboxCounters] = {}
        self._absent: set[str] = set()

    @property
    def modseq(self) -> int:
        """The modseq of every change of this account in this transaction. Asking for it is a change."""
        if not self.changed:
            self.changed = True
            self._modseq += 1
        return int(self._modseq)

    def mailbox(self, mailbox_id: int) -> MailboxCounters:
        """NoSuchMailbox when it is not there any more."""
        found = self._by_id.get(mailbox_id)
        if found is None:
            place = {"account_id": self.id, "wanted": mailbox_id}
            found = self.keep(self.changes.tx.execute(_MAILBOX_BY_ID, place).first())
        if found is None:
            raise NoSuchMailbox(f"account {self.id}, mailbox {mailbox_id}")
        return found

    def mailbox_named(self, name: str) -> MailboxCounters | None:
        """`name` as `mail.store.names` spells it."""
        found = self._by_name.get(name)
        if found is None and name not in self._absent:
            place = {"account_id": self.id, "wanted": name}
            found = self.keep(self.changes.tx.execute(_MAILBOX_BY_NAME, place).first())
            if found is None:
                self._absent.add(name)
        return found

    def keep(self, values: Any) -> MailboxCounters | None:
        """Remember a row of `_MAILBOX`, unless it is known already."""
        if values is None:
            return None
        known = self._by_id.get(values[0])
        if known is not None:
            return known
        found = MailboxCounters(*values)
        self._by_id[found.id] = self._by_name[found.name] = found
        return found

    def adopt(self, made: MailboxCounters) -> None:
        """A mailbox row that was written by this transaction."""
        self._by_id[made.id] = self._by_name[made.name] = made
        self._absent.discard(made.name)

    def forget_mailboxes(self) -> None:
        """After names changed or rows went: read them again. The caller has flushed."""
        self._by_id.clear()
        self._by_name.clear()
        self._absent.clear()

    def place(self, counters: MailboxCounters) -> Place:
        return Place(self.id, self.incoming, counters.name, counters.special_use)

    def touch(self, counters: MailboxCounters) -> int:
        """Mark a mailbox as changed now; returns the modseq to give to what changed in it."""
        counters.changed = True
        counters.highestmodseq = self.modseq
        return counters.highestmodseq

    def has_room(self, octets: int) -> bool:
        """What we put in front of the mail of this transaction is held and not asked for: whether there is room was
        decided before that was made, and is not to be decided twice.
        """
        return not self.quota or self.size - self._ours + octets <= self.quota

    def grow(self, octets: int, *, ours: int = 0) -> None:
        """OverQuota when the account may not hold that much more. `ours`: octets of it that we put in front."""
        if octets > ours and not self.has_room(octets - ours):
            raise OverQuota(f"account {self.id} holds {self.size} of {self.quota} octets, {octets} more asked")
        self.size += octets
        self._ours += ours

    def keywords_of(self, counters: MailboxCounters) -> set[str]:
        if counters.keywords is None:
            wanted = _KEYWORDS.where(
                mailbox_keyword.c.account_id == self.id, mailbox_keyword.c.mailbox_id == counters.id
            )
            counters.keywords = set(self.changes.tx.execute(wanted).scalars())
        return counters.keywords

    def register_keywords(self, counters: MailboxCounters, keywords: Iterable[str]) -> None:
        """Note keywords the mailbox did not have; its sessions are told before the FETCH that uses them."""
        new = set(keywords) - self.keywords_of(counters)
        if not new:
            return
        rows = [{"account_id": self.id, "mailbox_id": counters.id, "keyword": keyword} for keyword in sorted(new)]
        self.changes.tx.execute(self.changes.insert_or_ignore(mailbox_keyword), rows)
        self.keywords_of(counters).update(new)
        self.changes.events.append(MailboxKeywords(self.id, counters.id, self.touch(counters)))

    def add_messages(self, mailbox_id: int, added: Sequence[NewMessage]) -> list[int]:
        """Put messages into a mailbox; their UIDs in order. OverQuota, NoSuchMailbox. `flush` writes the rows."""
        counters = self.mailbox(mailbox_id)
        # A copy of what is here already has its fields no longer from us.
        ours = sum(len(one.prefix) for one in added if one.arrival is not None)
        self.grow(sum(one.size for one in added), ours=ours)
        modseq = self.touch(counters)
        now = self.changes.now
        uids: list[int] = []
        for one, flags in zip(added, self.changes.learning.put(self.place(counters), added), strict=True):
            uid = counters.uidnext
            counters.uidnext += 1
            counters.count(flags, one.size, 1)
            self.changes.message_rows.append(
                {
                    "account_id": self.id,
                    "mailbox_id": mailbox_id,
                    "uid": uid,
                    "modseq": modseq,
                    "flags": flags,
                    "keywords": join_keywords(one.keywords) if one.keywords else "",
                    "received_at": one.received_at,
                    "saved_at": now,
                    "size": one.size,
                    "blob_id": one.blob_id,
                    "prefix": one.prefix,
                }
            )
            if one.keywords:
                self.register_keywords(counters, one.keywords)
            uids.append(uid)
        if uids:
            self.changes.events.append(MessageAdded(self.id, mailbox_id, uids[-1], modseq))
        return uids

    def expunged(self, counters: MailboxCounters, uids: list[int]) -> None:
        self.changes.events.append(Expunged(self.id, counters.id, tuple(uids), self.modseq))

    def flags_changed(self, counters: MailboxCounters, uids: list[int]) -> None:
        self.changes.events.append(FlagsChanged(self.id, counters.id, tuple(uids), self.modseq))

    def mailbox_parameters(self) -> list[dict[str, int]]:
        written: list[dict[str, int]] = []
        for counters in self._by_id.values():
            if counters.changed:
                counters.changed = False
                written.append(
                    {
                        "of_account": self.id,
                        "of_mailbox": counters.id,
                        "new_uidnext": counters.uidnext,
                        "new_messages": counters.messages,
                        "new_unseen": counters.unseen,
                        "new_deleted": counters.deleted,
                        "new_size": counters.size,
                        "new_highestmodseq": counters.highestmodseq,
                    }
                )
        return written

    def account_parameters(self) -> dict[str, int]:
        return {
            "of_account": self.id,
            "new_modseq": int(self._modseq),
            "new_size": self.size,
            "new_next_mailbox_id": self.next_mailbox_id,
            "new_next_uidvalidity": self.next_uidvalidity,
        }


class Changes:
    """One write transaction and all accounts that change in it."""

    def __init__(self, tx: Connection, now: int) -> None:
        self.tx = tx
        self.now = now
        self.events: list[Event] = []
        self.wake: set[str] = set()
        self.learning = Learning(tx, self.wake)
        self.blob_rows: list[dict[str, Any]] = []
        self.content_rows: list[dict[str, Any]] = []
        self.message_rows: list[dict[str, Any]] = []
        self.trace_rows: list[dict[str, Any]] = []
        self.evaluation_rows: list[dict[str, Any]] = []
        self._accounts: dict[int, AccountState] = {}
        self._blobs: set[str] = set()

    def load(self, places: Iterable[tuple[int, str]]) -> None:
        """Read the accounts and mailboxes (by name) of a batch at once, so that using each costs nothing.

        What is not there is met when it is used. Accounts are locked in the order of their ids: no two batches can
        each hold what the other waits for.
        """
        wanted = {(account_id, name) for account_id, name in places if account_id not in self._accounts}
        if not wanted:
            return
        ids = many(self.tx, sorted({account_id for account_id, _ in wanted}))
        accounts = (
            _ACCOUNT.add_columns(account.c.id).where(is_one_of(self.tx, account.c.id, "ids")).order_by(account.c.id)
        )
        for *values, account_id in plain(self.tx.execute(accounts.with_for_update(), {"ids": ids})).fetchall():
            self._accounts[account_id] = AccountState(self, account_id, values)
        mailboxes = _MAILBOX.add_columns(mailbox.c.account_id).where(
            is_one_of(self.tx, mailbox.c.account_id, "ids"), is_one_of(self.tx, mailbox.c.name, "names")
        )
        names = many(self.tx, {name for _, name in wanted})
        for *values, account_id in plain(self.tx.execute(mailboxes, {"ids": ids, "names": names})).fetchall():
            if account_id in self._accounts:
                self._accounts[account_id].keep(values)

    def account(self, account_id: int) -> AccountState:
        """The account, locked for this transaction. NoSuchAddress when it is gone."""
        found = self._accounts.get(account_id)
        if found is None:
            # SQLite has one writer; on PostgreSQL the row lock makes this account's changes one after another.
            values = self.tx.execute(_ACCOUNT_BY_ID, {"account_id": account_id}).first()
            if values is None:
                raise NoSuchAddress(f"no account {account_id}")
            found = self._accounts[account_id] = AccountState(self, account_id, values)
        return found

    def forget(self, events: int) -> None:
        """After a savepoint was rolled back: drop what was gathered since, and read the counters again when needed.

        `events` is how many there were at the savepoint; the caller flushed just before it.
        """
        del self.events[events:]
        self.blob_rows, self.content_rows, self.message_rows, self.trace_rows = [], [], [], []
        self.evaluation_rows = []
        self.learning.forget()
        self._accounts.clear()
        # A blob belongs to one entry: those of the neighbours are not added again.
        self._blobs.clear()

    def add_blob(self, values: dict[str, Any], octets: bytes | None) -> None:
        """The row of a blob that is durable, or with `octets` one that becomes so with this commit.

        Once is enough for all that name it in this transaction; more do no harm.
        """
        if values["id"] in self._blobs:
            return
        self._blobs.add(values["id"])
        self.blob_rows.append(values)
        if octets is not None:
            self.content_rows.append({"blob_id": values["id"], "octets": octets})

    def insert_or_ignore(self, table: Any) -> Any:
        """An insert that leaves a row that exists as it is."""
        return upsert(self.tx.dialect.name, table).on_conflict_do_nothing()

    def flush(self) -> None:
        """Write what was gathered. `changing` calls it at the end; call it before reading what you added."""
        # Blobs first: messages name them.
        for statement, rows in (
            (_ADD_BLOBS, self.blob_rows),
            (_ADD_CONTENTS, self.content_rows),
            (_ADD_MESSAGES, self.message_rows),
            (_ADD_EVALUATIONS, self.evaluation_rows),
        ):
            if rows:
                self.tx.execute(statement, rows)
        traces.add(self.tx, self.trace_rows)
        self.blob_rows, self.content_rows, self.message_rows, self.trace_rows = [], [], [], []
        self.evaluation_rows = []
        self.learning.flush()
        mailboxes: list[dict[str, int]] = []
        accounts: list[dict[str, int]] = []
        for state in self._accounts.values():
            mailboxes += state.mailbox_parameters()
            if state.changed:
                accounts.append(state.account_parameters())
        if mailboxes:
            self.tx.execute(_WRITE_MAILBOX, mailboxes)
        if accounts:
            self.tx.execute(_WRITE_ACCOUNT, accounts)


@contextlib.contextmanager
def changing(store: Store, publisher: Publisher | None, *, clock: Clock) -> Iterator[Changes]:
    """One transaction that changes mailboxes: committed and durable after the block, published then."""
    with store.write() as tx:
        changes = Changes(tx, clock.wall_ms())
        yield changes
        changes.flush()
    if publisher is not None and (changes.events or changes.wake):
        publisher.publish(changes.events, wake=changes.wake)
