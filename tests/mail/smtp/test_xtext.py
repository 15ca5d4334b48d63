import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.smtp import xtext


@given(st.text([chr(code) for code in range(0x20, 0x7F)]))
def test_what_was_encoded_is_decoded_the_same(text: str) -> None:
    assert xtext.decode(xtext.encode(text)) == text


@pytest.mark.parametrize("bad", ["a b", "a=b", "a+", "a+2", "a+2b", "a+0D", "a+FF", "\u00fc"])
def test_what_is_not_xtext_or_hides_a_control_is_none(bad: str) -> None:
    assert xtext.decode(bad) is None
