import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message.fields import FIELD_MAX, FIELDS_MAX, parse_header


def test_fields_are_unfolded_and_cut_at_the_first_colon() -> None:
    header = parse_header(b"Subject: a\r\n b: c\r\nX-Y:z\r\n\r\nbody: no\r\n")
    assert [(field.name, field.value) for field in header.fields] == [(b"subject", b"a b: c"), (b"x-y", b"z")]
    assert header.end == len(b"Subject: a\r\n b: c\r\nX-Y:z\r\n\r\n")


def test_a_bare_line_end_ends_no_field() -> None:
    header = parse_header(b"Subject: a\nBcc: x\rTo: y\r\n\r\n")
    assert [field.name for field in header.fields] == [b"subject"]


def test_odd_lines_are_defects_and_no_fields() -> None:
    header = parse_header(b" folded first\r\nno colon\r\nFrom : a@b\r\n: x\r\n\r\n")
    assert [field.name for field in header.fields] == [b"from"]
    assert set(header.defects) == {"leading-continuation", "not-a-field", "space-before-colon"}
    assert header.unbroken == 0


def test_where_the_fields_are_broken_off_is_told() -> None:
    assert parse_header(b"A: b\r\nnonsense\r\nFrom: a@b\r\n\r\n").unbroken == 1
    assert parse_header(b"A: b\r\nFrom: a@b\r\n\r\n").unbroken == 2
    assert parse_header(b"From a@b Mon Jan  1\r\nFrom: a@b\r\n\r\n").unbroken == 1


@pytest.mark.parametrize(
    ("octets", "defects"),
    [
        (b"A: b\r\n\r\n", ()),
        (b"\r\nbody\r", ()),
        (b"A: b\r\n\r\nbody\rmore\0", ()),
        (b"A: b\r\n", ("no-blank-line",)),
        (b"A: b\rc\r\n\r\n", ("bare-cr",)),
        (b"A: b\nc\r\n\r\n", ("bare-lf",)),
        (b"A: b\0c\r\n\r\n", ("nul",)),
    ],
)
def test_octets_that_are_read_in_more_ways_than_one_are_named(octets: bytes, defects: tuple[str, ...]) -> None:
    assert parse_header(octets).defects == defects


def test_a_message_without_a_header_has_none() -> None:
    assert parse_header(b"\r\nbody").fields == ()
    assert parse_header(b"").end == 0


def test_too_many_fields_are_cut_and_named() -> None:
    header = parse_header(b"a: b\r\n" * (FIELDS_MAX + 5) + b"\r\n")
    assert len(header.fields) == FIELDS_MAX and "too-many-fields" in header.defects


def test_a_mapped_message_reads_the_same() -> None:
    octets = b"Subject: a\r\nTo: b\r\n\r\nbody\r\n"
    with mmap.mmap(-1, len(octets)) as mapped:
        mapped.write(octets)
        assert parse_header(mapped) == parse_header(octets)


def test_what_is_behind_the_last_field_is_no_part_of_it() -> None:
    header = parse_header(b"garbage\r\n" + b"a: b\r\n" * FIELDS_MAX + b"To: x\r\n\r\n")
    assert len(header.fields) == FIELDS_MAX - 1 and {field.value for field in header.fields} == {b"b"}


@pytest.mark.parametrize("name", [b"X" * 100_000, b"X" * 70_000 + b" "])
def test_a_name_as_long_as_a_field_is_none(name: bytes) -> None:
    header = parse_header(name + b": y\r\nTo: a@b\r\n\r\n")
    assert [field.name for field in header.fields] == [b"to"]
    assert header.defects == ("field-too-large", "not-a-field")


def test_a_long_value_is_cut_and_named() -> None:
    header = parse_header(b"To: " + b"a" * 100_000 + b"\r\n\r\n")
    assert len(header.fields[0].value) <= FIELD_MAX and header.defects == ("field-too-large",)


@given(st.lists(st.sampled_from([b"A: b", b"\r\n", b"\r\n", b" ", b":", b"\r", b"\n", b"\xff"])).map(b"".join))
def test_fields_are_found_again_in_what_they_were_cut_from(octets: bytes) -> None:
    header = parse_header(octets)
    assert 0 <= header.end <= len(octets)
    at = 0
    for field in header.fields:
        at = (octets + b"\r\n").index(field.raw, at) + len(field.raw)
