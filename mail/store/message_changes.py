"""Changing messages that are there: flags, expunge, copy, move. Each through one `Changes`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mail.store.changes import AccountState, MailboxCounters
from mail.store.classes import CLASSIFYING
from mail.store.flags import DELETED, SEEN
from mail.store.rows import NewMessage, StoredFlags, StoreResult, is_one_of, join_keywords, many, plain
from mail.store.schema import message, vanished


def _among(tx: Connection, account_id: int, mailbox_id: int) -> tuple[ColumnElement[bool], ...]:
    """The messages of a mailbox that the parameter `uids` names."""
    in_mailbox = (message.c.account_id == account_id, message.c.mailbox_id == mailbox_id)
    return *in_mailbox, is_one_of(tx, message.c.uid, "uids")


def _selected(state: AccountState, mailbox_id: int, uids: Sequence[int], *columns: Any) -> list[Any]:
    """Those of `uids` that are there, ascending, as plain tuples."""
    state.changes.flush()
    return _stored(state, mailbox_id, uids, *columns)


def _stored(state: AccountState, mailbox_id: int, uids: Sequence[int], *columns: Any) -> list[Any]:
    tx = state.changes.tx
    wanted = select(*columns).where(*_among(tx, state.id, mailbox_id)).order_by(message.c.uid)
    found: list[Any] = plain(tx.execute(wanted, {"uids": many(tx, uids)})).fetchall()
    return found


def store_flags(
    state: AccountState,
    mailbox_id: int,
    uids: Sequence[int],
    *,
    add: int = 0,
    remove: int = 0,
    add_keywords: frozenset[str] = frozenset(),
    remove_keywords: frozenset[str] = frozenset(),
    replace: tuple[int, frozenset[str]] | None = None,
    unchanged_since: int | None = None,
) -> StoreResult:
    """STORE. Messages whose flags stay as they are keep their modseq; those changed since `unchanged_since` stay."""
    counters = state.mailbox(mailbox_id)
    found = _selected(state, mailbox_id, uids, message.c.uid, message.c.modseq, message.c.flags, message.c.keywords)
    changed: list[StoredFlags] = []
    reclassified: dict[int, tuple[int, int]] = {}
    modified: list[int] = []
    for uid, modseq, flags, keywords in found:
        if unchanged_since is not None and modseq > unchanged_since:
            modified.append(uid)
            continue
        if replace is not None:
            new_flags, new_keywords = replace[0], join_keywords(replace[1])
        else:
            new_flags = (flags | add) & ~remove
            new_keywords = keywords
            if add_keywords or remove_keywords:
                new_keywords = join_keywords((set(keywords.split()) | add_keywords) - remove_keywords)
        if new_flags == flags and new_keywords == keywords:
            continue
        counters.unseen += int(bool(flags & SEEN)) - int(bool(new_flags & SEEN))
        counters.deleted += int(bool(new_flags & DELETED)) - int(bool(flags & DELETED))
        if (flags ^ new_flags) & CLASSIFYING:
            reclassified[uid] = (flags, new_flags)
        changed.append(StoredFlags(uid, 0, new_flags, new_keywords))
    # A keyword counts as used by the mailbox even where every message had it, or none was there to get it (S03).
    if changed or found:
        state.register_keywords(counters, add_keywords if replace is None else replace[1])
    if not changed:
        return StoreResult([], modified)
    modseq = state.touch(counters)
    changed = [StoredFlags(uid, modseq, flags, keywords) for uid, _, flags, keywords in changed]
    _write_flags(state, mailbox_id, changed, modseq)
    if reclassified:
        found = _stored(state, mailbox_id, list(reclassified), message.c.uid, message.c.blob_id, message.c.received_at)
        learnt = [(blob_id, received_at, *reclassified[uid]) for uid, blob_id, received_at in found]
        state.changes.learning.reflagged(state.place(counters), learnt)
    state.flags_changed(counters, [row.uid for row in changed])
    return StoreResult(changed, modified)


def _write_flags(state: AccountState, mailbox_id: int, changed: list[StoredFlags], modseq: int) -> None:
    """One statement for all messages that come to have the same flags: mostly that is one."""
    tx = state.changes.tx
    alike: dict[tuple[int, str], list[int]] = {}
    for uid, _, flags, keywords in changed:
        alike.setdefault((flags, keywords), []).append(uid)
    for (flags, keywords), uids in alike.items():
        written = update(message).where(*_among(tx, state.id, mailbox_id))
        values = {"flags": flags, "keywords": keywords, "modseq": modseq}
        tx.execute(written.values(**values), {"uids": many(tx, uids)})


def expunge(state: AccountState, mailbox_id: int, uids: Sequence[int]) -> list[int]:
    """Remove messages; returns the UIDs that were there. Their blobs go when no row names them any more."""
    counters = state.mailbox(mailbox_id)
    columns = (message.c.uid, message.c.flags, message.c.size, message.c.blob_id)
    found = _selected(state, mailbox_id, uids, *columns)
    _remove(state, counters, found)
    return [uid for uid, *_ in found]


def _remove(state: AccountState, counters: MailboxCounters, found: list[tuple[int, int, int, str]]) -> None:
    """Take away rows of (uid, flags, size, blob id)."""
    if not found:
        return
    tx = state.changes.tx
    modseq = state.touch(counters)
    gone = [uid for uid, *_ in found]
    tx.execute(delete(message).where(*_among(tx, state.id, counters.id)), {"uids": many(tx, gone)})
    rows = [{"account_id": state.id, "mailbox_id": counters.id, "modseq": modseq, "uid": uid} for uid in gone]
    tx.execute(insert(vanished), rows)
    for _, flags, size, _ in found:
        counters.count(flags, size, -1)
    state.size -= sum(size for _, _, size, _ in found)
    state.changes.learning.removed(state.place(counters), [(flags, blob_id) for _, flags, _, blob_id in found])
    state.expunged(counters, gone)


_WHOLE = (
    message.c.uid,
    message.c.flags,
    message.c.size,
    message.c.keywords,
    message.c.received_at,
    message.c.blob_id,
    message.c.prefix,
)


def copy(state: AccountState, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> list[tuple[int, int]]:
    """Rows only: the content is shared. Returns (source UID, new UID) in ascending order. OverQuota."""
    return _put(state, _selected(state, mailbox_id, uids, *_WHOLE), mailbox_id, to_mailbox_id)


def _put(state: AccountState, found: list[Any], mailbox_id: int, to_mailbox_id: int) -> list[tuple[int, int]]:
    """Add copies of rows of `_WHOLE` to a mailbox, which may change their junk flags."""
    if not found:
        return []
    given = state.changes.learning.taken(
        state.place(state.mailbox(to_mailbox_id)),
        [(row[1], row[5]) for row in found],
        elsewhere=mailbox_id != to_mailbox_id,
    )
    added = [
        NewMessage(blob_id, size, received_at, prefix, flags, tuple(keywords.split()))
        for (_, _, size, keywords, received_at, blob_id, prefix), flags in zip(found, given, strict=True)
    ]
    return list(zip([row[0] for row in found], state.add_messages(to_mailbox_id, added), strict=True))


def move(state: AccountState, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> list[tuple[int, int]]:
    """Copy and remove, in one (RFC 6851 §3.3). Returns (source UID, new UID)."""
    found = _selected(state, mailbox_id, uids, *_WHOLE)
    # What moves takes no new room: leave first, so that a full account can tidy up.
    _remove(
        state,
        state.mailbox(mailbox_id),
        [(uid, flags, size, blob_id) for uid, flags, size, _, _, blob_id, _ in found],
    )
    return _put(state, found, mailbox_id, to_mailbox_id)
