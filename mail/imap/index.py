"""What is known of each message of a mailbox without its content, as columns in UID order.

1. An `Index` never changes: a newer state of the mailbox is a new one, and what did not change is shared. So every
   session of a process may hold one for its client's view, and 10,000 messages cost them together about 0.5 MB.
2. Message number n is position n - 1. UIDs only grow, so a column is sorted and `bisect` finds a UID.
3. Rows come from `mail.store.messages.index`: (uid, modseq, flags, keywords, received_at, saved_at, size, ...).
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from typing import Any

Row = Sequence[Any]
_tokens = count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """One state of one mailbox. `modseq` is the mailbox's HIGHESTMODSEQ at that moment."""

    modseq: int
    uidvalidity: int
    uidnext: int
    uids: "array[int]"
    modseqs: "array[int]"
    flags: "array[int]"
    keywords: list[str]
    received_at: "array[int]"
    saved_at: "array[int]"
    sizes: "array[int]"
    mailbox_keywords: frozenset[str]
    token: int
    # How this state came from the one before, so that a session that stands there need not compare.
    parent: int = 0
    changed: tuple[int, ...] = ()  # UIDs
    gone: tuple[int, ...] = ()  # UIDs

    def __len__(self) -> int:
        return len(self.uids)

    def position(self, uid: int) -> int:
        """Position of a UID, or -1."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1


@dataclass(frozen=True, slots=True)
class Stand:
    """The mailbox's own counters at the moment of reading."""

    modseq: int
    uidvalidity: int
    uidnext: int
    keywords: frozenset[str]


def loaded(rows: Sequence[Row], stand: Stand) -> Index:
    columns: Sequence[Any] = list(zip(*rows, strict=True))[:7] if rows else ((),) * 7
    uids, modseqs, flags, keywords, received_at, saved_at, sizes = columns
    return Index(
        stand.modseq,
        stand.uidvalidity,
        stand.uidnext,
        array("I", uids),
        array("Q", modseqs),
        array("H", flags),
        list(keywords),
        array("q", received_at),
        array("q", saved_at),
        array("Q", sizes),
        stand.keywords,
        next(_tokens),
    )


def advanced(old: Index, rows: Sequence[Row], gone: Sequence[int], stand: Stand) -> Index | None:
    """The next state: `rows` changed or came since `old`, `gone` went. None when they do not fit: load anew."""
    last = old.uids[-1] if old.uids else 0
    places, fresh = [], []
    for row in rows:
        if row[0] > last:
            fresh.append(row)
            continue
        place = old.position(row[0])
        if place < 0:
            return None
        places.append((place, row))
    new = replace(
        old,
        modseq=stand.modseq,
        uidnext=stand.uidnext,
        mailbox_keywords=stand.keywords,
        token=next(_tokens),
        parent=old.token,
        changed=tuple(row[0] for _, row in places),
        gone=(),
    )
    if places:
        new = _with_changed(new, places)
    lost = sorted(place for place in map(old.position, set(gone)) if place >= 0)
    if lost:
        new = _without(new, lost)
    return _with_fresh(new, fresh) if fresh else new


def _with_changed(index: Index, places: list[tuple[int, Row]]) -> Index:
    modseqs, flags, keywords = index.modseqs[:], index.flags[:], index.keywords[:]
    for place, row in places:
        modseqs[place], flags[place], keywords[place] = row[1], row[2], row[3]
    return replace(index, modseqs=modseqs, flags=flags, keywords=keywords)


def _without(index: Index, lost: list[int]) -> Index:
    keep = bytearray(b"\1") * len(index)
    for place in lost:
        keep[place] = 0

    def kept(column: "array[int]") -> "array[int]":
        return array(column.typecode, compress(column, keep))

    return replace(
        index,
        uids=kept(index.uids),
        modseqs=kept(index.modseqs),
        flags=kept(index.flags),
        keywords=list(compress(index.keywords, keep)),
        received_at=kept(index.received_at),
        saved_at=kept(index.saved_at),
        sizes=kept(index.sizes),
        gone=tuple(index.uids[place] for place in lost),
    )


def _with_fresh(index: Index, rows: list[Row]) -> Index:
    uids, modseqs, flags, keywords, received_at, saved_at, sizes = list(zip(*rows, strict=True))[:7]
    return replace(
        index,
        uids=index.uids + array("I", uids),
        modseqs=index.modseqs + array("Q", modseqs),
        flags=index.flags + array("H", flags),
        keywords=index.keywords + list(keywords),
        received_at=index.received_at + array("q", received_at),
        saved_at=index.saved_at + array("q", saved_at),
        sizes=index.sizes + array("Q", sizes),
    )


def rows_of(index: Index, uids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows of some UIDs of this index."""
    rows = []
    for uid in uids:
        place = index.position(uid)
        if place >= 0:
            rows.append(row_at(index, place))
    return rows


def row_at(index: Index, place: int) -> tuple[Any, ...]:
    return (
        index.uids[place],
        index.modseqs[place],
        index.flags[place],
        index.keywords[place],
        index.received_at[place],
        index.saved_at[place],
        index.sizes[place],
    )


def keeping(new: Index, view: Index, ghosts: Sequence[int]) -> Index:
    """`new` with messages of `view` that are gone but whose number the client still counts: RFC 9051 §7.5.1."""
    rows = [row_at(new, place) for place in range(len(new))] + rows_of(view, ghosts)
    rows.sort(key=lambda row: int(row[0]))
    return loaded(rows, Stand(new.modseq, new.uidvalidity, new.uidnext, new.mailbox_keywords))


@dataclass(frozen=True, slots=True)
class Difference:
    """What a client that knows `view` has to hear to know `new`."""

    gone: tuple[int, ...]  # UIDs
    changed: tuple[int, ...]  # UIDs, of messages the client knew
    fresh: int  # how many came
    keywords: bool  # the mailbox has keywords it had not


def difference(view: Index, new: Index) -> Difference:
    if new is view:
        return Difference((), (), 0, False)
    keywords = not new.mailbox_keywords <= view.mailbox_keywords
    if new.parent == view.token:
        return Difference(new.gone, new.changed, len(new) - (len(view) - len(new.gone)), keywords)
    known = len(view)
    if new.uids[:known] == view.uids:
        gone: tuple[int, ...] = ()
    else:
        there = set(new.uids)
        gone = tuple(uid for uid in view.uids if uid not in there)
    staying = known - len(gone)
    changed = _changed(view, new, staying, aligned=not gone)
    return Difference(gone, changed, len(new) - staying, keywords)


def _changed(view: Index, new: Index, staying: int, *, aligned: bool) -> tuple[int, ...]:
    if aligned and new.modseqs[:staying] == view.modseqs:
        return ()
    changed = []
    for place in range(staying):
        # A message's own modseq decides, not the mailbox's: ghosts and late readers stay right.
        uid = new.uids[place]
        was = place if aligned else view.position(uid)
        if was >= 0 and new.modseqs[place] != view.modseqs[was]:
            changed.append(uid)
    return tuple(changed)
