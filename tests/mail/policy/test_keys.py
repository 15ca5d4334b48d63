from hypothesis import given
from hypothesis import strategies as st

from mail.policy.keys import key


def test_a_key_is_the_same_for_ever():
    assert key("to", "ann@a.example") == 4580629695566525244


@given(st.text(), st.lists(st.text(), max_size=4))
def test_every_text_has_a_key_of_64_bits_with_sign(kind: str, words: list[str]):
    assert -(2**63) <= key(kind, *words) < 2**63


def test_kinds_and_words_keep_apart():
    assert len({key("to", "a"), key("to-domain", "a"), key("to", "a", ""), key("to", "", "a"), key("to", "aa")}) == 5


def test_a_lone_surrogate_is_no_obstacle():
    assert key("to", "\udcff") != key("to", "\udcfe")
