import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message.addresses import ADDRESSES_MAX, Mailbox, parse_addresses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"a@b.c", [Mailbox(b"", b"a", b"b.c")]),
        (b"Fred Foo <fred@x.y>", [Mailbox(b"Fred Foo", b"fred", b"x.y")]),
        (b'"A, \\"B\\"" <a@b>', [Mailbox(b'A, "B"', b"a", b"b")]),
        (b"c@d (Carl)", [Mailbox(b"Carl", b"c", b"d")]),
        (b'"q s"@x.y', [Mailbox(b"", b"q s", b"x.y")]),
        (b"<@r,@s:u@v>", [Mailbox(b"", b"u", b"v", b"@r,@s")]),
        (b"=?utf-8?q?=C3=A4?= <x@y>", [Mailbox(b"=?utf-8?q?=C3=A4?=", b"x", b"y")]),
        (b"foo", [Mailbox(b"", b"foo", b"")]),
        (b",, ;", []),
        (b"a@b:<c@d>", [Mailbox(b"a@b:", b"c", b"d")]),
        (b"<a@b>:", [Mailbox(b":", b"a", b"b")]),
    ],
)
def test_mailboxes_are_read_as_people_write_them(text: bytes, found: list[Mailbox]) -> None:
    assert parse_addresses(text) == found


def test_groups_keep_their_beginning_and_end() -> None:
    kinds = [one.kind or one.localpart for one in parse_addresses(b"grp: a@b, c@d;, e@f, Undisclosed:;")]
    assert kinds == ["group-start", b"a", b"c", "group-end", b"e", "group-start", "group-end"]


def test_there_is_an_end_to_reading() -> None:
    assert len(parse_addresses(b"a@b, " * 1000)) <= ADDRESSES_MAX + 1


@given(st.lists(st.sampled_from([bytes([octet]) for octet in b'a@:;,<>()"\\ .'])).map(b"".join))
def test_whatever_is_written_is_read_to_its_end(value: bytes) -> None:
    assert len(parse_addresses(value)) <= len(value) + 1
