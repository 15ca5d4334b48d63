"""Names that look like others: found where names are made and shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail import homographs


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("ann-2", True),
        ("jos\u00e9", True),
        ("\u0430\u043d\u043d\u0430", True),
        ("\u0440\u0430ypal", False),
        ("\u03bfmega", False),
        ("\u7530\u4e2d\u305f\u308d\u3046", True),
        ("\uff41nn", True),
        ("", True),
    ],
)
def test_letters_of_one_script_belong_together(text: str, one: bool) -> None:
    assert homographs.one_script(text) is one


@pytest.mark.parametrize("text", ["an\u200dn", "a\u202en", "a\u00adn", "a\u2028n"])
def test_characters_that_show_nothing_are_found(text: str) -> None:
    assert homographs.invisible(text)
    assert not homographs.invisible("ann\u0301")


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("\u0430dm\u0456n", "admin"),
        ("adm\u0131n", "admin"),
        ("\u0441\u043e\u0440\u0430", "copa"),
        ("\uff41dmin", "admin"),
        ("ADMIN", "admin"),
        ("\u03bf", "o"),
        ("\u0430\u0440\u0440\u04cf\u0435", "apple"),
    ],
)
def test_look_alikes_have_one_skeleton(text: str, like: str) -> None:
    assert homographs.skeleton(text) == homographs.skeleton(like)


def test_accents_are_letters_of_their_own() -> None:
    assert homographs.skeleton("jos\u00e9") != homographs.skeleton("jose")
    assert homographs.skeleton("jose\u0301") == homographs.skeleton("jos\u00e9")


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("a.example", "a.example"),
        ("xn--bcher-kva.example", "b\u00fccher.example"),
        ("xn--e1afmkfd.xn--p1ai", "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444"),
        # apple in Cyrillic letters, and what is no A-label at all.
        ("xn--80ak6aa92e.example", "xn--80ak6aa92e.example"),
        ("xn--0.example", "xn--0.example"),
    ],
)
def test_a_domain_is_shown_in_its_own_script_unless_that_hides_something(domain: str, shown: str) -> None:
    assert homographs.shown_domain(domain) == shown


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    homographs.one_script(text)
    homographs.invisible(text)
    homographs.skeleton(text)
    homographs.shown_domain("xn--" + text)
