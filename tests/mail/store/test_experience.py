"""What accounts know, read for a batch of messages."""

from mail.now import SetClock
from mail.store import accounts, history
from mail.store.changes import changing
from mail.store.classes import HAM, NONE, SPAM
from mail.store.engine import Store
from mail.store.experience import Known, Wanted
from mail.store.history import Filing, Past, pack_keys
from mail.store.junk_words import Counted, Totals
from mail.store.usage import Usage

BLOB = f"{1:016x}{0:016x}"


def test_each_account_is_told_what_was_asked_for_it_by_all_messages(store: Store, clock: SetClock):
    counted = Counted()
    counted.move([1, 2], NONE, HAM)
    counted.move([2, 3], NONE, SPAM)
    with changing(store, None, clock=clock) as changes:
        ann, bob = (accounts.add_account(changes, name, quota=quota) for name, quota in (("ann", 1000), ("bob", 0)))
        history.file(changes.tx, ann, [Filing(BLOB, 70, pack_keys([11, 12]), 5, NONE, SPAM)])
        history.add_sent(changes.tx, bob, {21: 80})
        counted.write(changes.tx, ann)
    wanted = Wanted()
    wanted.add(ann, [11], [], [1, 2])
    wanted.add(ann, [13], [21], [3, 4])
    wanted.add(bob, [11], [21, 22], [1])
    wanted.add(999, [11], [], [1])
    with store.read() as connection:
        known = wanted.load(connection)
    assert known[ann] == Known(
        Usage(0, 1000), Totals(1, 1), {11: [Past(70, True, 5)]}, {}, {1: (1, 0), 2: (1, 1), 3: (0, 1)}
    )
    assert known[bob] == Known(Usage(0, 0), Totals(0, 0), {}, {21: 80}, {})
    assert known[999] == Known()


def test_where_nobody_is_asked_nothing_is_read(store: Store):
    with store.read() as connection:
        assert Wanted().load(connection) == {}
