from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.imap.sequence import (
    MOST_RANGES,
    SAVED,
    parse_sequence,
    positions_of_numbers,
    positions_of_uids,
    render_sequence,
)

UIDS = array("I", [3, 5, 6, 9])


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        (b"1", [0]),
        (b"2:3", [1, 2]),
        (b"3:2", [1, 2]),
        (b"*", [3]),
        (b"4:*,1", [0, 3]),
        (b"2:99", [1, 2, 3]),
        (b"1,1:2", [0, 1]),
    ],
)
def test_numbers_become_positions(text: bytes, positions: list[int]) -> None:
    assert list(positions_of_numbers(parse_sequence(text), 4)) == positions


def test_a_number_no_message_has_is_refused() -> None:
    for text in (b"5", b"5:9"):
        with pytest.raises(ValueError, match="no such message"):
            positions_of_numbers(parse_sequence(text), 4)


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        (b"3", [0]),
        (b"4", []),
        (b"5:6", [1, 2]),
        (b"*", [3]),
        (b"100:*", [3]),
        (b"1:4294967295", [0, 1, 2, 3]),
        (b"9,3", [0, 3]),
    ],
)
def test_uids_become_positions_and_absent_ones_nothing(text: bytes, positions: list[int]) -> None:
    assert list(positions_of_uids(parse_sequence(text), UIDS)) == positions


@pytest.mark.parametrize("text", [b"", b"0", b"01", b"1:", b":1", b"1,,2", b"-1", b"4294967296", b"a", b"1:2:3", b"**"])
def test_what_is_no_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_sequence(text)


def test_a_set_is_bounded_and_the_widest_costs_nothing() -> None:
    with pytest.raises(ValueError, match="too many"):
        parse_sequence(b"1," * MOST_RANGES + b"1")
    assert len(positions_of_uids(parse_sequence(b",".join([b"1:4294967295"] * MOST_RANGES)), UIDS)) == 4
    assert parse_sequence(b"$") is SAVED


@given(st.sets(st.integers(1, 60)))
def test_a_rendered_set_is_read_the_same(numbers: set[int]) -> None:
    text = render_sequence(sorted(numbers))
    if not numbers:
        assert text == b""
    else:
        uids = array("I", range(1, 61))
        assert [uids[position] for position in positions_of_uids(parse_sequence(text), uids)] == sorted(numbers)
