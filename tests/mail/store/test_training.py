"""Words are counted exactly once, whatever crashes or runs beside."""

import pytest

from mail.errors import StorageFault
from mail.store import removal, training
from mail.store.engine import Store
from mail.store.flags import JUNK, NOTJUNK
from mail.store.training import PENDING, WORDS_AT_ONCE, Content, Reader, Words, train
from tests.mail.store.pupil import Pupil, RowsOnly, hashes


@pytest.fixture
def pupil(store: Store, clock: object) -> Pupil:
    return Pupil(store, clock)  # type: ignore[arg-type]


def read(pupil: Pupil) -> Words:
    """What a worker has in its hands before its transaction."""
    with pupil.store.read() as connection:
        contents = training.load(connection, PENDING, (0, ""))
    ((_, words),) = Reader(RowsOnly(), hashes).batches(contents)
    return words


def trained(pupil: Pupil, words: Words) -> int:
    with pupil.store.write() as tx:
        return train(tx, pupil.account, words)


def test_two_workers_with_the_same_messages_count_them_once(pupil: Pupil) -> None:
    pupil.deliver("cheap watches", "Junk")
    pupil.deliver("cheap words", "Junk")
    words = read(pupil)
    assert (trained(pupil, words), trained(pupil, words)) == (2, 0)
    assert (pupil.totals(), pupil.word("cheap")) == ((0, 2), (0, 2))
    pupil.check()


def test_a_crash_before_the_commit_leaves_all_to_be_learnt(pupil: Pupil) -> None:
    pupil.deliver("cheap", "Junk")
    with pytest.raises(ZeroDivisionError), pupil.store.write() as tx:
        train(tx, pupil.account, read(pupil))
        raise ZeroDivisionError
    assert (pupil.totals(), pupil.word("cheap")) == ((0, 0), (0, 0))
    assert (pupil.learn(), pupil.learn(), pupil.word("cheap")) == (1, 0, (0, 1))


def test_what_changed_since_it_was_read_is_learnt_as_it_is_now(pupil: Pupil) -> None:
    turned, gone = pupil.deliver("turned", "Junk"), pupil.deliver("gone", "Junk")
    undone = pupil.deliver("undone", "Junk")
    words = read(pupil)
    pupil.flag("Junk", turned, add=NOTJUNK, remove=JUNK)
    pupil.flag("Junk", undone, remove=JUNK)
    pupil.expunge("Junk", gone)
    assert trained(pupil, words) == 1
    assert (pupil.word("turned"), pupil.word("gone"), pupil.word("undone")) == ((1, 0), (0, 0), (0, 0))
    assert pupil.totals() == (1, 0)
    pupil.check()


def test_an_account_that_is_gone_learns_nothing(pupil: Pupil) -> None:
    pupil.deliver("cheap", "Junk")
    words = read(pupil)
    with pupil.store.write() as tx:
        removal.remove_account(tx, pupil.account)
    assert trained(pupil, words) == 0


def test_what_cannot_be_read_is_named_and_stops_nobody(pupil: Pupil) -> None:
    class Broken(RowsOnly):
        def read_start(self, folder: str, blob_id: str, most: int) -> bytes:
            raise StorageFault("gone")

    reader = Reader(Broken(), hashes)
    contents = [Content(1, "a", "f", None), Content(1, "b", "", b"\r\n\r\nword")]
    assert list(reader.batches(contents)) == [(1, {"b": hashes(b"\r\n\r\nword")})]
    assert reader.unreadable == ["a"]


def test_a_batch_is_of_one_account_and_bounded_by_its_words() -> None:
    reader = Reader(RowsOnly(), lambda octets: range(WORDS_AT_ONCE // 2))
    contents = [Content(1 + number // 5, str(number), "", b"") for number in range(7)]
    assert [(account, list(words)) for account, words in reader.batches(contents)] == [
        (1, ["0", "1"]),
        (1, ["2", "3"]),
        (1, ["4"]),
        (2, ["5", "6"]),
    ]


def test_pending_messages_are_read_onwards_and_counted(pupil: Pupil) -> None:
    for number in range(training.CONTENTS_AT_ONCE + 1):
        pupil.deliver(f"w{number}", "Junk")
    with pupil.store.read() as connection:
        first = training.load(connection, PENDING, (0, ""))
        rest = training.load(connection, PENDING, first[-1][:2])
        assert training.pending_count(connection, pupil.account) == len(first) + 1 == training.CONTENTS_AT_ONCE + 1
    assert [one.octets is not None for one in rest] == [True]
