from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.errors import Invalid
from mail.policy.patterns import PATTERN_MAX, compiled, matches


def test_an_expression_matches_anywhere_and_in_any_case() -> None:
    assert matches("news@", "Daily-News@x.example")
    assert matches("^NEWS", "news")
    assert not matches("^news$", "newsletter")


def test_both_forms_of_an_accent_are_one_letter() -> None:
    """Features-1 §4: an address in either form is the same one, and so it is in an expression."""
    composed, decomposed = "ren\u00e9", "rene\u0301"
    for pattern in (composed, decomposed, composed.upper(), decomposed.upper()):
        for text in (composed, decomposed):
            assert matches(f"^{pattern}@", f"{text}@x.example")
    assert not matches("^rene@", f"{composed}@x.example")


def test_a_bad_a_long_and_an_expensive_expression_are_invalid() -> None:
    for pattern in (
        "(a",
        "a{1001}",
        "(?=a)",
        r"(a)\1",
        "a" * (PATTERN_MAX + 1),
        r"\pL{1,200}",
        "(?:.{0,30}a){30}$",
        "\ud800",
    ):
        with pytest.raises(Invalid):
            compiled(pattern)
        assert not matches(pattern, "a")


HOSTILE = (
    *(r"^([\w.-]+)*@x$", r"\s+$", "(a+)+$", "(a|aa)+$", "(.*a){20}$", "(x+x+)+y", ".{1,100}z", "([a-z]+)*\\d"),
    *(r"^(\w+\s?)*$", "(a|a?)+$", r"(?:a.{0,20}){8}b", "(.*)(.*)(.*)(.*)[^z]$"),
)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_expression_takes_long_over_any_text(pattern: str) -> None:
    for seed in ("a", "x", " ", "a ", "ab", "é", "aé", "a" * 28 + "!", "0", "@", "aaaaaaaaab", "\n"):
        for tail in ("", "!", "b", "y", "@x"):
            text = seed * (40_000 // len(seed)) + tail
            begun = perf_counter()
            matches(pattern, text)
            assert perf_counter() - begun < 0.05


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.text("()[]{}*+?|^$.\\abp09,-", max_size=30), st.text(st.characters(), max_size=30))
def test_any_expression_and_any_text_have_an_answer(pattern: str, text: str) -> None:
    assert matches(pattern, text) in (True, False)
