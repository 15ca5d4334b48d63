import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message.parameters import PARAMETERS_MAX, parse_valued, without_comments


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


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (b"filename=a.txt", "a.txt"),
        (b"filename*=utf-8'en'%C3%A4%20b", "ä b"),
        (b"filename*0*=iso-8859-1''%E4; filename*1=%41; filename*2*=%42", "ä%41B"),
        (b'filename*0="a b"; filename*1=c; filename*3=e', "a bc"),
        (b"filename=plain; filename*=utf-8''better", "better"),
        # Not by the rules, and common: encoded words, no charset, octets as they are.
        (b'filename="=?utf-8?b?w6Q=?="', "ä"),
        (b"filename*=%C3%A4", "ä"),
        ('filename="ä"'.encode(), "ä"),
        (b"filename*=utf-7''%2BADw-", "+ADw-"),
        (b"filename*1=b; filename*2=c", None),
    ],
)
def test_extended_and_cut_parameters_are_put_together(parameters: bytes, text: str | None) -> None:
    assert parse_valued(b"attachment; " + parameters).text(b"filename") == text


def test_there_is_an_end_to_parameters() -> None:
    many = b"a/b" + b"".join(b"; p%d=x" % number for number in range(5000))
    assert len(parse_valued(many).parameters) <= PARAMETERS_MAX


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*b"\"\\()=;*'% 0ab\xe4"])).map(bytes))
def test_every_value_can_be_read(value: bytes) -> None:
    found = parse_valued(value)
    without_comments(value)
    for name, _ in found.parameters:
        found.text(name.partition(b"*")[0])
