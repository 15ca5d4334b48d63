"""Making the junk words of an account anew from its messages: after a change of how words are found, or in doubt.

    clear      what an earlier try left behind
    count      batch by batch into counts of the negative account; `arrival.retrained` says what each message is there
    swap       in one transaction the new counts replace the old ones, and `retrained` becomes `trained`

The filter sees the old counts until the swap, and never a mixture. Meanwhile the job `learn` goes on with the old ones;
whatever changed since a message was counted is pending after the swap, and learnt by the job. What had been learnt of
messages that are gone is forgotten: the messages are all there is to count. One at a time for an account.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from mail.errors import NoSuchAddress
from mail.store import arrival_rows, junk_words
from mail.store.classes import class_of_copies
from mail.store.engine import Store
from mail.store.junk_words import Counted, Totals
from mail.store.rows import is_one_of, many, plain
from mail.store.schema import arrival, junk_total, junk_word
from mail.store.training import CONTENTS, Blobs, Hashes, Reader, load, lock

ROWS_AT_ONCE = 5000

_CLASSIFIED = or_(and_(arrival.c.ham > 0, arrival.c.spam == 0), and_(arrival.c.spam > 0, arrival.c.ham == 0))
_OURS = CONTENTS.where(arrival.c.account_id == bindparam("account_id"), _CLASSIFIED)


class Retrained(NamedTuple):
    totals: Totals
    words: int
    unreadable: tuple[str, ...]


def retrain(
    store: Store,
    blobs: Blobs,
    account_id: int,
    hashes: Hashes,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Retrained:
    """Blocks for as long as reading all those messages takes; `progress` hears how many of how many are counted.

    NoSuchAddress when the account is gone.
    """
    _clear(store, account_id)
    with store.read() as connection:
        counted = select(func.count()).where(arrival.c.account_id == account_id, _CLASSIFIED)
        total = int(connection.execute(counted).scalar_one())
    reader = Reader(blobs, hashes)
    after, done = (account_id, ""), 0
    while True:
        with store.read() as connection:
            contents = load(connection, _OURS, after)
        if not contents:
            break
        after = contents[-1][:2]
        for _, words in reader.batches(contents):
            with store.write() as tx:
                _count(tx, account_id, words)
        done += len(contents)
        progress(done, max(done, total))
    with store.write() as tx:
        _swap(tx, account_id)
    _clear(store, account_id)
    with store.read() as connection:
        totals = junk_words.totals(connection, account_id)
        return Retrained(totals, junk_words.word_count(connection, account_id), tuple(reader.unreadable))


def _lock(tx: Connection, account_id: int) -> None:
    if not lock(tx, account_id):
        raise NoSuchAddress(f"no account {account_id}")


def _count(tx: Connection, account_id: int, words: Mapping[str, Sequence[int]]) -> None:
    _lock(tx, account_id)
    ours = (arrival.c.account_id == account_id, is_one_of(tx, arrival.c.blob_id, "blobs"))
    wanted = select(arrival.c.blob_id, arrival.c.ham, arrival.c.spam, arrival.c.retrained).where(*ours)
    counted = Counted()
    alike: dict[int, list[str]] = {}
    for blob_id, ham, spam, before in plain(tx.execute(wanted, {"blobs": many(tx, words)})).fetchall():
        found = class_of_copies(ham, spam)
        counted.move(words[blob_id], before, found)
        alike.setdefault(found, []).append(blob_id)
    counted.write(tx, -account_id)
    for found, blob_ids in alike.items():
        tx.execute(update(arrival).where(*ours).values(retrained=found), {"blobs": many(tx, blob_ids)})


def _swap(tx: Connection, account_id: int) -> None:
    _lock(tx, account_id)
    for table in (junk_word, junk_total):
        tx.execute(delete(table).where(table.c.account_id == account_id))
        tx.execute(update(table).where(table.c.account_id == -account_id).values(account_id=account_id))
    differing = (arrival.c.account_id == account_id, arrival.c.trained != arrival.c.retrained)
    pending = arrival_rows.lags_behind(arrival.c.retrained)
    tx.execute(update(arrival).where(*differing).values(trained=arrival.c.retrained, pending=pending))


def _clear(store: Store, account_id: int) -> None:
    """Take back `retrained` and counts that never replaced any, in short transactions."""
    with store.write() as tx:
        for table in (junk_word, junk_total):
            tx.execute(delete(table).where(table.c.account_id == -account_id))
    after = ""
    page = (
        select(arrival.c.blob_id)
        .where(arrival.c.account_id == account_id, arrival.c.blob_id > bindparam("after"))
        .order_by(arrival.c.blob_id)
        .limit(ROWS_AT_ONCE)
    )
    last = select(func.max(page.subquery().c.blob_id))
    while True:
        with store.read() as connection:
            until = connection.execute(last, {"after": after}).scalar_one()
        if until is None:
            return
        part = (arrival.c.account_id == account_id, arrival.c.blob_id > after, arrival.c.blob_id <= until)
        with store.write() as tx:
            # On PostgreSQL: whoever changes rows of an account holds the account first, or two may wait for each other.
            lock(tx, account_id)
            tx.execute(update(arrival).where(*part, arrival.c.retrained != 0).values(retrained=0))
        after = until
