import pytest

from mail.message.parameters import parse_valued, without_comments


@pytest.mark.parametrize(
    ("text", "value", "parameters"),
    [
        (b"Text/Plain", b"text/plain", ()),
        (b'a/b; X="q; \\"r"; y=2', b"a/b", ((b"x", b'q; "r'), (b"y", b"2"))),
        (b"a/b;;; x = 1 ; =2; z", b"a/b", ((b"x", b"1"),)),
        (b"a/b (c(d)); x=1 (e)", b"a/b", ((b"x", b"1"),)),
        (b'a/b; x="unfinished', b"a/b", ((b"x", b"unfinished"),)),
        (b"a/b; x=1; X=2", b"a/b", ((b"x", b"1"),)),
    ],
)
def test_values_and_their_parameters(text: bytes, value: bytes, parameters: tuple[tuple[bytes, bytes], ...]) -> None:
    found = parse_valued(text)
    assert (found.value, found.parameters) == (value, parameters)


def test_parentheses_in_quotes_are_no_comments() -> None:
    assert without_comments(b'a "(b)" (c\\)d) e') == b'a "(b)"   e'
