from mail.store.classes import HAM, NONE, SPAM
from mail.store.engine import Store
from mail.store.junk_words import Counted, Totals, counts, totals, word_count


def moved(store: Store, *moves: tuple[list[int], int, int], account: int = 1) -> None:
    counted = Counted()
    for words, before, now in moves:
        counted.move(words, before, now)
    with store.write() as tx:
        counted.write(tx, account)


def test_each_word_of_a_message_counts_once(store: Store) -> None:
    moved(store, ([1, 2, 2, -3], NONE, HAM), ([2], NONE, SPAM))
    moved(store, ([2], NONE, HAM), account=2)
    with store.read() as connection:
        assert counts(connection, 1, [1, 2, -3, 4]) == {1: (1, 0), 2: (1, 1), -3: (1, 0)}
        assert (totals(connection, 1), totals(connection, 3)) == (Totals(1, 1), Totals(0, 0))
        assert word_count(connection, 1) == 3


def test_a_changed_class_moves_the_counts_and_none_takes_them_back(store: Store) -> None:
    moved(store, ([1, 2], NONE, SPAM), ([1], NONE, SPAM))
    moved(store, ([1, 2], SPAM, HAM))
    with store.read() as connection:
        assert (counts(connection, 1, [1, 2]), totals(connection, 1)) == ({1: (1, 1), 2: (1, 0)}, (1, 1))
    moved(store, ([1, 2], HAM, NONE))
    with store.read() as connection:
        assert (counts(connection, 1, [1, 2]), word_count(connection, 1)) == ({1: (0, 1)}, 1)


def test_nothing_falls_below_zero(store: Store) -> None:
    moved(store, ([1], NONE, HAM))
    moved(store, ([1, 2], SPAM, NONE), ([1, 2], HAM, NONE), ([1, 2], HAM, NONE))
    with store.read() as connection:
        assert (totals(connection, 1), word_count(connection, 1)) == ((0, 0), 0)


def test_what_changes_nothing_writes_nothing(store: Store) -> None:
    moved(store, ([1, 2], HAM, HAM), ([3], NONE, HAM), ([3], HAM, NONE))
    with store.read() as connection:
        assert (totals(connection, 1), word_count(connection, 1)) == ((0, 0), 0)


def test_many_words_are_asked_for_at_once(store: Store) -> None:
    moved(store, (list(range(5000)), NONE, HAM))
    with store.read() as connection:
        assert len(counts(connection, 1, range(4000, 9000))) == 1000
        assert counts(connection, 1, []) == {}
