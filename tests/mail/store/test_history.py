from hypothesis import given
from hypothesis import strategies as st

from mail.store.classes import HAM, NONE, SPAM
from mail.store.engine import Store
from mail.store.history import (
    OF_A_KEY,
    Filing,
    Past,
    add_sent,
    arrival_number,
    file,
    load_history,
    load_sent,
    pack_keys,
    remove_before,
    unpack_keys,
)

NUMBERS = st.integers(-(2**63), 2**63 - 1)


def filing(number: int, now: int, *keys: int, filed: int = NONE) -> Filing:
    return Filing(f"{number:016x}{'0' * 16}", 100 + number, pack_keys(keys), 9, filed, now)


@given(st.lists(NUMBERS))
def test_keys_are_packed_and_unpacked(keys: list[int]) -> None:
    assert unpack_keys(pack_keys(keys)) == tuple(keys)


def test_keys_of_a_blob_are_signed_numbers() -> None:
    assert arrival_number("ff" * 16) == -1 and arrival_number("00" * 7 + "01" + "ff" * 8) == 1


def test_the_newest_comes_first_under_each_key(store: Store) -> None:
    with store.write() as tx:
        file(tx, 1, [filing(1, HAM, 5, -6), filing(3, SPAM, 5), filing(2, HAM, 5)])
        file(tx, 2, [filing(4, HAM, 5)])
        found = load_history(tx, 1, [5, -6, 7])
    assert found == {5: [Past(103, True, 9), Past(102, False, 9), Past(101, False, 9)], -6: [Past(101, False, 9)]}


def test_a_class_is_turned_and_taken_back(store: Store) -> None:
    with store.write() as tx:
        file(tx, 1, [filing(1, HAM, 5, 6)])
        file(tx, 1, [filing(1, SPAM, 5, 6, filed=HAM)])
        assert load_history(tx, 1, [5]) == {5: [Past(101, True, 9)]}
        file(tx, 1, [filing(1, NONE, 5, 6, filed=SPAM)])
        assert load_history(tx, 1, [5, 6]) == {}


def test_a_thousand_at_once_leave_the_newest_hundred(store: Store) -> None:
    with store.write() as tx:
        file(tx, 1, [filing(number, HAM, 5) for number in range(50)])
        file(tx, 1, [filing(number, SPAM, 5, number) for number in range(10, 1010)])
        file(tx, 1, [filing(2000, HAM, 5)])
        found = load_history(tx, 1, [5])[5]
        others = load_history(tx, 1, range(100, 1010))
    assert [past.at for past in found] == [2100, *range(1109, 1010, -1)]
    assert len(found) == OF_A_KEY and len(others) == 910


def test_an_older_time_does_not_replace_a_newer_one(store: Store) -> None:
    with store.write() as tx:
        add_sent(tx, 1, {5: 100, 6: 100})
        add_sent(tx, 1, {5: 90, 6: 110, 7: 1})
        add_sent(tx, 1, {})
        assert load_sent(tx, 1, [5, 6, 8]) == {5: 100, 6: 110}


def test_what_is_too_old_for_any_reputation_goes(store: Store) -> None:
    with store.write() as tx:
        file(tx, 1, [filing(number, HAM, 5, 6) for number in range(5)])
        add_sent(tx, 1, {7: 101, 8: 103})
        add_sent(tx, 2, {7: 102})
    assert remove_before(store, 103, most=2) == 8
    assert remove_before(store, 103) == 0
    with store.read() as connection:
        assert [past.at for past in load_history(connection, 1, [5])[5]] == [104, 103]
        assert load_sent(connection, 1, [7, 8]) == {8: 103}
        assert load_sent(connection, 2, [7]) == {}
