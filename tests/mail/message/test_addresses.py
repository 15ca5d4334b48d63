import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message.addresses import ADDRESSES_MAX, Mailbox, parse_addresses, read_addresses


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
        (b"Name <>", []),
        # RFC 5322 appendix A.5 and A.6.1.
        (
            b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            [Mailbox(b"Pete", b"pete", b"silly.test")],
        ),
        (
            b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
            [Mailbox(b"Mary Smith", b"mary", b"example.net", b"@node.test"), Mailbox(b"", b"jdoe", b"test.example")],
        ),
        (b'"Joe Q." "Public" <a@b>', [Mailbox(b"Joe Q. Public", b"a", b"b")]),
        (b"a@[IPv6:::1], b@c", [Mailbox(b"", b"a", b"[IPv6:::1]"), Mailbox(b"", b"b", b"c")]),
        (b'<"a>b"@c>', [Mailbox(b"", b"a>b", b"c")]),
        (b'"a\\""@c', [Mailbox(b"", b'a"', b"c")]),
        (b'"a@b"@c', [Mailbox(b"", b"a@b", b"c")]),
        (b"a@b@c", [Mailbox(b"", b"a@b", b"c")]),
        (b"a@b:c", [Mailbox(b"", b"a", b"b:c")]),
        (b"a@b (Ann (B))", [Mailbox(b"Ann (B)", b"a", b"b")]),
        # Two are two, also where a comma is missing or a bracket is.
        (b"<a@b> <c@d>", [Mailbox(b"", b"a", b"b"), Mailbox(b"", b"c", b"d")]),
        (b"<a@b>c@d", [Mailbox(b"", b"a", b"b"), Mailbox(b"", b"c", b"d")]),
        (b"<a@b, c@d", [Mailbox(b"", b"a", b"b"), Mailbox(b"", b"c", b"d")]),
        (b"<<a@b>>", [Mailbox(b"", b"a", b"b")]),
        ("Jörg <jörg@bücher.example>".encode(), [Mailbox("Jörg".encode(), "jörg".encode(), "bücher.example".encode())]),
    ],
)
def test_mailboxes_are_read_as_people_write_them(text: bytes, found: list[Mailbox]) -> None:
    assert parse_addresses(text) == found


def test_groups_keep_their_beginning_and_end() -> None:
    kinds = [one.kind or one.localpart for one in parse_addresses(b"grp: a@b, c@d;, e@f, Undisclosed:;")]
    assert kinds == ["group-start", b"a", b"c", "group-end", b"e", "group-start", "group-end"]


def test_there_is_an_end_to_reading() -> None:
    assert len(parse_addresses(b"a@b, " * 1000)) <= ADDRESSES_MAX + 1


def test_groups_do_not_nest() -> None:
    kinds = [one.kind or one.localpart for one in parse_addresses(b"A(c): a@b, B: c@d; e@f")]
    assert kinds == ["group-start", b"a", "group-end", "group-start", b"c", "group-end", b"e"]


@pytest.mark.parametrize("value", [b"a@b, " * 101, b"x: " + b"a@b," * 101, b"()" * 5000, b"a " * 5000])
def test_what_is_left_out_is_told(value: bytes) -> None:
    found, whole = read_addresses(value)
    assert not whole and len(found) <= ADDRESSES_MAX + 1
    assert read_addresses(b"a@b, " * 99) == ([Mailbox(b"", b"a", b"b")] * 99, True)


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*b'"\\()<>[]@,;:. a\xe4'])).map(bytes))
def test_every_value_comes_to_an_end(value: bytes) -> None:
    found, _ = read_addresses(value)
    kinds = [one.kind for one in found if one.kind]
    assert kinds == ["group-start", "group-end"] * (len(kinds) // 2)
    assert all(one.kind or one.localpart or one.domain for one in found)
