import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.imap.patterns import canonical, matches, parents


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "a/b", True),
        ("%", "a/b", False),
        ("%", "a", True),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("*c", "a/b/c", True),
        ("%/%/c", "a/b/c", True),
        ("", "", True),
        ("a", "A", False),
    ],
)
def test_star_reaches_everywhere_and_percent_one_level(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_a_pattern_made_to_be_slow_is_not() -> None:
    assert not matches("*a" * 200 + "b", "a" * 1000)


def test_reference_and_pattern_are_joined() -> None:
    assert canonical("a/", "%") == "a/%"
    assert canonical("a/", "/b") == "b"
    assert canonical("", "inbox/**x") == "Inbox/*x"
    assert parents("a/b/c") == ["a", "a/b"]


@given(st.text("ab/", max_size=12), st.data())
def test_a_name_with_any_part_starred_still_matches(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(start, len(name)))
    assert matches(name[:start] + "*" + name[end:], name)
    assert matches(name[:start] + "%" + name[end:], name) is ("/" not in name[start:end])
