import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message.display import shown, spoofed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann Müller", "Ann Müller"),
        ("potus@whitehouse.gov\0 <x@evil>", "potus@whitehouse.gov <x@evil>"),
        ("a\r\nb\tc\u2028d", "a  b c d"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("pay\u200bpal\ufeff\u00ad\x1b[31m\x9b", "paypal[31m"),
        ("\U000e0041\ud800", "\ufffd"),
    ],
)
def test_nothing_that_hides_or_turns_text_is_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("name", "address", "is_spoofed"),
    [
        ("Ann", "ann@x.org", False),
        ("ann@x.org", "ann@x.org", False),
        ("Ann (ANN@X.ORG)", "ann@x.org", False),
        ("ceo@bank.example", "x@evil.example", True),
        ('"ceo@bank.example"', "x@evil.example", True),
        ("ceo\u200b@bank.example", "x@evil.example", True),
        ("ceo\uff20bank.example", "x@evil.example", True),
        ("ceo @ bank.example", "x@evil.example", True),
        ("me@x.org via ceo@bank.example", "me@x.org", True),
        ("potus@whitehouse.gov\0\n(potus@whitehouse.gov)", "potus@whitehouse.gov\0@evil.example", True),
        ("Ann @ Work", "ann@x.org", False),
        ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example", False),
    ],
)
def test_another_address_in_a_name_is_noticed(name: str, address: str, is_spoofed: bool) -> None:
    assert spoofed(name, address) is is_spoofed


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_text_makes_them_fail(name: str, address: str) -> None:
    assert not any(ord(character) < 32 for character in shown(name))
    spoofed(name, address)
    spoofed(address + "@" + name, name)
