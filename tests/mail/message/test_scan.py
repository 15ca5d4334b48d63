"""The structure of messages: what is normal and what is odd; what is made to hurt is in tests/torture."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message.scan import PLAIN, Part, scan

HEAD = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"


def kinds(octets: bytes) -> list[bytes]:
    return [part.content_type.value for part in scan(octets).parts()]


def test_parts_lie_between_their_delimiters() -> None:
    octets = HEAD + b"preamble\r\n--x\r\n\r\none\r\n--x\t \r\nContent-Type: text/html\r\n\r\ntwo\r\n--x--\r\nepilogue"
    scanned = scan(octets)
    assert [octets[part.body : part.end] for part in scanned.root.children] == [b"one", b"two"]
    assert scanned.defects == ()


def test_a_missing_last_delimiter_leaves_the_last_part_whole() -> None:
    assert [part.end for part in scan(HEAD + b"--x\r\n\r\none\r\n").root.children] == [len(HEAD) + 12]


def test_a_delimiter_must_be_a_line_of_its_own() -> None:
    octets = HEAD + b"--x\r\n\r\nnot --x\r\n--xy\r\n--x trailing\r\n--x--\r\n"
    assert len(scan(octets).root.children) == 1


def test_digests_default_to_messages_and_messages_are_opened() -> None:
    octets = b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: in\r\n\r\nhi\r\n--d--\r\n"
    assert kinds(octets) == [b"multipart/digest", b"message/rfc822", b"text/plain"]


@pytest.mark.parametrize("declared", [b"text", b"/", b"text/", b"", b";charset=x", b"multipart/mixed"])
def test_a_type_that_cannot_be_read_is_plain_text(declared: bytes) -> None:
    assert kinds(b"Content-Type: " + declared + b"\r\n\r\nx\r\n") == [b"text/plain"]


def bodies(octets: bytes) -> list[bytes]:
    return [octets[part.body : part.end] for part in scan(octets).root.children]


def mixed(parameter: bytes, body: bytes) -> bytes:
    return b"Content-Type: multipart/mixed; " + parameter + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("parameter", "body"),
    [
        (b"boundary=x", b"--x \t\r\n\r\na\r\n--x\t\r\n\r\nb\r\n--x-- \r\n"),
        (b"boundary=x", b"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--"),
        (b'boundary="x y:=?"', b"pre\r\n--x y:=?\r\n\r\na\r\n--x y:=?\r\n\r\nb\r\n--x y:=?--\r\nepilogue"),
        (b"boundary=----=_x", b"------=_x\r\n\r\na\r\n------=_x\r\n\r\nb\r\n------=_x--\r\n"),
        # RFC 2046 §5.1.1: a boundary does not end with a space, so what is written may have lost it.
        (b'boundary="x "', b"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n"),
        # RFC 2231 §3 and §4.
        (b"boundary*0=x; boundary*1=y", b"--xy\r\n\r\na\r\n--xy\r\n\r\nb\r\n--xy--\r\n"),
        (b"boundary*=us-ascii'en'x%20y", b"--x y\r\n\r\na\r\n--x y\r\n\r\nb\r\n--x y--\r\n"),
        (b"boundary=x (a comment)", b"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n"),
        # Two delimiters with nothing between them enclose no part; what looks like one with something behind is none.
        (b"boundary=x", b"--x\r\n--x\r\n\r\na\r\n--x\r\n--x\r\n\r\nb\r\n--x--\r\n"),
        (b"boundary=x", b"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n--x\r\n\r\nafter the end\r\n"),
        # Without the empty line that a part without a header begins with.
        (b"boundary=x", b"--x\r\na\r\n--x\r\nb\r\n--x--\r\n"),
    ],
)
def test_delimiters_are_found_as_written_and_as_meant(parameter: bytes, body: bytes) -> None:
    assert bodies(mixed(parameter, body)) == [b"a", b"b"]


def test_an_empty_part_is_a_part() -> None:
    assert bodies(HEAD + b"--x\r\n\r\n--x\r\n\r\n\r\n--x\r\nA: b\r\n\r\n--x--\r\n") == [b"", b"", b""]


def test_the_outer_delimiter_ends_what_is_inside() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=xy\r\n\r\n--xy\r\n\r\none\r\n"
    root = scan(HEAD + b"--x\r\n" + inner + b"--x\r\n\r\ntwo\r\n--x--\r\n").root
    assert [len(part.children) for part in root.children] == [1, 0]


@pytest.mark.parametrize(
    ("head", "defect"),
    [
        (b"Content-Type: multipart/mixed\r\n", "multipart-without-boundary"),
        (b'Content-Type: multipart/mixed; boundary=""\r\n', "multipart-without-boundary"),
        (b"Content-Type: multipart/mixed; boundary=y\r\n", "multipart-without-parts"),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", "message-encoded"),
    ],
)
def test_what_cannot_be_divided_is_a_leaf(head: bytes, defect: str) -> None:
    scanned = scan(head + b"\r\n--x\r\n\r\na\r\n")
    assert scanned.defects == (defect,) and not scanned.root.children and scanned.root.message is None


@pytest.mark.parametrize(
    "kind", [b"message/partial; id=a; number=1", b"message/external-body; access-type=x", b"message/delivery-status"]
)
def test_other_messages_are_leaves(kind: bytes) -> None:
    scanned = scan(b"Content-Type: " + kind + b"\r\n\r\nSubject: in\r\n\r\nx\r\n")
    assert scanned.root.message is None and scanned.defects == ()


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        (b"text/html charset=utf-8", b"text/html"),
        (b"TEXT / Html ; charset=x", b"text/html"),
        (b"text/html (a/b)", b"text/html"),
        (b"text/pl\xe4in", b"text/plain"),
        (b"a/b/c", b"text/plain"),
    ],
)
def test_types_are_two_tokens(declared: bytes, kind: bytes) -> None:
    assert scan(b"Content-Type: " + declared + b"\r\n\r\n").root.content_type.value == kind


@pytest.mark.parametrize("declared", [b"BASE64", b"base64;x", b" base64 (c)", b"base64 foo", b"(c)base64"])
def test_an_encoding_is_its_first_word(declared: bytes) -> None:
    assert scan(b"Content-Transfer-Encoding: " + declared + b"\r\n\r\n").root.encoding == b"base64"


LINES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=x",
        b'Content-Type: multipart/digest; boundary="xy"',
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset*0*=utf-8''a; charset*1=b",
        b"Content-Transfer-Encoding: base64",
        b"Subject: =?utf-8?q?a?=",
        b"--x",
        b"--x--",
        b"--xy",
        b"--xy--",
        b"--x ",
        b"",
        b"",
        b" folded",
        b"no field",
        b"\xff\0",
        b"a\nb\rc",
    ]
)


def check_offsets(octets: bytes, part: Part) -> None:
    assert 0 <= part.start <= part.body <= part.end <= len(octets)
    inside = [*part.children, *([part.message] if part.message is not None else [])]
    at = part.body
    for child in inside:
        assert at <= child.start and child.end <= part.end
        at = child.end
    if part.message is not None:
        assert (part.message.start, part.message.end) == (part.body, part.end)


@settings(max_examples=300)
@given(st.one_of(st.lists(LINES, max_size=40).map(b"\r\n".join), st.binary(max_size=300)))
def test_parts_lie_one_after_the_other_inside_their_parents(octets: bytes) -> None:
    for part in scan(octets).parts():
        check_offsets(octets, part)
        assert part.children or part.type != b"multipart"


def test_the_default_is_never_changed() -> None:
    scan(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n")
    assert (PLAIN.value, PLAIN.parameters) == (b"text/plain", ((b"charset", b"us-ascii"),))
