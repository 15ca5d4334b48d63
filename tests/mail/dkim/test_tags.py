import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.dkim.tags import (
    TAGS_MAX,
    BadTags,
    DuplicateTag,
    base64_value,
    list_value,
    number_value,
    parse_tags,
)


def test_values_lose_the_white_space_around_them_and_keep_that_within() -> None:
    assert parse_tags(b" v = 1;\tn= a b=c ;b=;") == {"v": b"1", "n": b"a b=c", "b": b""}


def test_names_are_case_sensitive() -> None:
    assert parse_tags(b"a=1;A=2") == {"a": b"1", "A": b"2"}


def test_values_may_be_utf_8() -> None:
    assert parse_tags("d=bücher.example".encode()) == {"d": "bücher.example".encode()}


@pytest.mark.parametrize("text", [b"", b" ", b";", b"a", b"a=1;;b=2", b"1a=1", b"=1", b"a b=1", b"a=\r\n1", b"a=\0"])
def test_what_is_no_tag_list_is_refused(text: bytes) -> None:
    with pytest.raises(BadTags):
        parse_tags(text)


def test_a_tag_that_comes_twice_spoils_the_list() -> None:
    with pytest.raises(DuplicateTag):
        parse_tags(b"a=1; b=2; a=1")


def test_the_number_of_tags_is_bounded() -> None:
    assert len(parse_tags(b";".join(b"a%d=" % number for number in range(TAGS_MAX)) + b";")) == TAGS_MAX
    with pytest.raises(BadTags):
        parse_tags(b";".join(b"a%d=" % number for number in range(TAGS_MAX + 1)))


def test_base64_may_be_folded_anywhere_but_must_be_whole() -> None:
    assert base64_value(b"Y W\tJj\r\n ZA==") == b"abcd"
    for bad in (b"", b"=", b"YWJj!", b"YWJjZA", b"YWJjZA==YWJj"):
        with pytest.raises(BadTags):
            base64_value(bad)


def test_lists_and_numbers_have_their_form() -> None:
    assert list_value(b"a : b:a") == (b"a", b"b", b"a")
    assert number_value(b"007", 3) == 7
    for bad in (b"", b"-1", b"1 ", b"1234", "१".encode()):
        with pytest.raises(BadTags):
            number_value(bad, 3)
    with pytest.raises(BadTags):
        list_value(b"a:")


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"a", b"=", b";", b" ", b"b1", b"\t"])).map(b"".join))
def test_any_octets_are_a_list_or_bad_tags(octets: bytes) -> None:
    try:
        tags = parse_tags(octets)
    except BadTags:
        return
    assert tags and all(b";" not in value for value in tags.values())
