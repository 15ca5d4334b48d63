import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.sequence import Range
from mail.imap.text import string


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b'"a b"', b"a b"),
        (b'"a\\"b\\\\c"', b'a"b\\c'),
        (b'""', b""),
        (b"{3}\r\na\r\n", b"a\r\n"),
        (b"{3+}\r\na b", b"a b"),
        (b"~{2}\r\n\0a", b"\0a"),
    ],
)
def test_a_string_in_each_form(octets: bytes, expected: bytes) -> None:
    cursor = Cursor(octets)
    assert cursor.string() == expected
    cursor.end()


@pytest.mark.parametrize(
    "octets",
    [b"", b"a", b'"a', b'"a\\b"', b'"a\\', b'"a\rb"', b"{3}\r\nab", b"{3}ab", b"{1}\r\n\0", b"{99999999999}\r\n"],
)
def test_what_is_no_string_is_refused(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(octets).string()


@given(st.binary(max_size=3000).map(lambda octets: octets.replace(b"\0", b"")))
def test_what_we_write_is_read_the_same(octets: bytes) -> None:
    cursor = Cursor(string(octets))
    assert cursor.string() == octets
    cursor.end()


def test_dates_are_of_the_calendar() -> None:
    assert Cursor(b'"24-Nov-2026 10:00:00 +0100"').date_time() == 1_795_510_800_000
    assert Cursor(b'" 1-jan-1970 00:00:00 +0000"').date_time() == 0
    assert Cursor(b"29-Feb-2024").date() == Cursor(b'"29-FEB-2024"').date()
    for bad in (b'"24-Nov-2026 25:00:00 +0100"', b'"31-Nov-2026 10:00:00 +0100"', b'"24-Nvo-2026 10:00:00 +0100"'):
        with pytest.raises(BadSyntax):
            Cursor(bad).date_time()
    for bad in (b"29-Feb-2025", b"0-Jan-2026", b"1-Jan-26", b'"1-Jan-2026'):
        with pytest.raises(BadSyntax):
            Cursor(bad).date()


def test_numbers_have_their_bits() -> None:
    assert Cursor(b"4294967295").number() == 4294967295
    with pytest.raises(BadSyntax):
        Cursor(b"4294967296").number()
    assert Cursor(b"9223372036854775807").number(bits=63) == 9223372036854775807
    with pytest.raises(BadSyntax):
        Cursor(b"99999999999999999999").number(bits=63)


def test_mailboxes_sets_and_flags() -> None:
    assert Cursor(b"iNbOx").mailbox() == "Inbox"
    assert Cursor(b"&AOk-t&AOk-").mailbox() == "\u00e9t\u00e9"
    assert Cursor('"\u00e9"'.encode(), utf8=True).mailbox() == "\u00e9"
    assert Cursor(b"1:*,4").sequence().ranges == (Range(1, None), Range(4, 4))
    bits, keywords = Cursor(b"(\\Seen $Label x)").flags()
    assert bits and keywords == {"$label", "x"}
    assert Cursor(b"()").flags() == (0, frozenset())
    with pytest.raises(BadSyntax):
        Cursor(b"(\\Recent)").flags()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text('"\\{}()3+\r\n a&-*:,~N', max_size=40).map(str.encode)))
def test_every_token_of_anything_is_taken_or_refused(octets: bytes) -> None:
    for name in ("tag", "atom", "word", "number", "string", "astring", "nstring", "text", "mailbox", "list_mailbox",
                 "sequence", "flag", "flags", "date_time", "date"):  # fmt: skip
        cursor = Cursor(octets)
        try:
            getattr(cursor, name)()
        except BadSyntax:
            continue
        assert 0 <= cursor.place <= len(octets)
