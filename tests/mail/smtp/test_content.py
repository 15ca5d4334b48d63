import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.smtp.content import LINE_LIMIT, OVERRUN, Content, Fault


def fed(octets: bytes, *cuts: int, limit: int = 1 << 20) -> tuple[Content, bytes, bytes]:
    """(content, what was stored, what came behind the end) with the octets cut at those places."""
    stored: list[bytes] = []
    content = Content(stored.append, limit=limit)
    rest = b""
    for start, end in itertools.pairwise([0, *sorted(cuts), len(octets)]):
        if content.ended:
            rest += octets[start:end]
        else:
            rest += content.receive(octets[start:end])
    return content, b"".join(stored), rest


def test_a_message_ends_at_its_dot_and_loses_its_stuffing() -> None:
    content, stored, rest = fed(b"Subject: x\r\n\r\n..one\r\n.two\r\nthree.\r\n.\r\nQUIT\r\n")
    assert content.ended and content.fault is None
    assert stored == b"Subject: x\r\n\r\n.one\r\ntwo\r\nthree.\r\n"
    assert (rest, content.size) == (b"QUIT\r\n", len(stored))


def test_an_empty_message_is_its_dot_alone() -> None:
    content, stored, rest = fed(b".\r\nQUIT\r\n")
    assert (content.ended, content.fault, stored, rest) == (True, None, b"", b"QUIT\r\n")


LINE_ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\n", b"")
ENDS = [before + b"." + after for before in LINE_ENDS for after in LINE_ENDS]
FAKE_ENDS = [end for end in ENDS if b"\r\n.\r\n" not in end]


@pytest.mark.parametrize("fake", FAKE_ENDS)
def test_no_look_alike_of_the_end_ends_a_message_wherever_it_is_cut(fake: bytes) -> None:
    octets = b"a: b\r\n\r\nhello" + fake + b"MAIL FROM:<evil@x>\r\n.\r\nNOOP\r\n"
    whole = fed(octets)
    assert whole[0].ended and whole[2] == b"NOOP\r\n"
    for cut in range(1, len(octets)):
        content, stored, rest = fed(octets, cut)
        assert (content.fault is None, rest) == (whole[0].fault is None, whole[2])
        if content.fault is None:
            assert stored == whole[1]
    if re.search(rb"(?<!\r)\n\.\r?\n|\n\.\n", b"hello" + fake) or re.search(rb"\r(?!\n)", fake + b"M"):
        assert whole[0].fault in (Fault.SMUGGLING, Fault.NUL)


def test_a_bare_line_feed_elsewhere_is_repaired() -> None:
    content, stored, _ = fed(b"a: b\n\nhello\nworld\r\n.\r\n")
    assert (content.fault, stored) == (None, b"a: b\r\n\r\nhello\r\nworld\r\n")


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"a\0b\r\n.\r\n", Fault.NUL),
        (b"a\rb\r\n.\r\n", Fault.SMUGGLING),
        (b"x" * (LINE_LIMIT + 1) + b"\r\n.\r\n", Fault.LONG_LINE),
        (b"x" * 40_000 + b"\r\n" + b"y" * (LINE_LIMIT + 9) + b"\r\nz\r\n.\r\n", Fault.LONG_LINE),
        ((b"x" * 900 + b"\r\n") * 1200 + b".\r\n", Fault.TOO_LARGE),
    ],
)
def test_a_fault_is_named_and_the_end_still_found(octets: bytes, fault: Fault) -> None:
    for cuts in ((), range(7, len(octets), 4099)):
        content, _, rest = fed(octets + b"QUIT\r\n", *cuts)
        assert (content.ended, content.fault, rest) == (True, fault, b"QUIT\r\n")


def test_a_message_without_end_is_given_up_and_holds_no_memory() -> None:
    content = Content(lambda octets: None, limit=10_000)
    for _ in range(100):
        content.receive(b"x" * 1000)
        assert len(content._held) < 8
    assert content.overrun
    assert content.received > OVERRUN * 10_000


def reference(octets: bytes) -> tuple[bytes, bytes]:
    """What is stored of a faultless message and what follows it, told line by line."""
    stored = b""
    while True:
        line, _, octets = octets.partition(b"\r\n")
        if line == b".":
            return stored, octets
        stored += line.removeprefix(b".") + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("ab.\u00fc", max_size=6).map(str.encode), max_size=8),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([b"", b"QUIT\r\n", b".\r\n"]),
)
def test_every_clean_message_is_stored_as_its_lines_however_it_is_cut(
    lines: list[bytes], cuts: list[int], behind: bytes
) -> None:
    octets = b"".join(line + b"\r\n" for line in lines) + b".\r\n" + behind
    content, stored, rest = fed(octets, *[cut for cut in cuts if cut < len(octets)])
    assert (stored, rest) == reference(octets)
    assert content.fault is None
    assert content.eightbit == (not stored.isascii())


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\0", b"\r\n", b"\r\n.\r\n"]), max_size=24), st.data())
def test_how_octets_are_cut_never_matters(parts: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(parts) + b"\r\n.\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    one, stored, rest = fed(octets)
    other, stored_cut, rest_cut = fed(octets, *cuts)
    assert (one.ended, one.fault is None, rest) == (other.ended, other.fault is None, rest_cut)
    if one.fault is None:
        assert stored == stored_cut
        assert re.search(rb"\r(?!\n)|(?<!\r)\n|\0", stored) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda octets: octets.replace(b"\r", b"").replace(b"\0", b"")), max_size=5))
def test_chunks_are_stored_as_they_come_but_for_line_ends(chunks: list[bytes]) -> None:
    stored: list[bytes] = []
    content = Content(stored.append, limit=1 << 20)
    for chunk in chunks:
        content.receive_chunk(chunk, last=False)
    content.receive_chunk(b"end\r\n", last=True)
    assert content.ended
    if content.fault is None:
        assert b"".join(stored) == b"".join(chunks).replace(b"\n", b"\r\n") + b"end\r\n"


def test_a_chunked_message_gets_its_last_line_end_and_keeps_its_dots() -> None:
    stored: list[bytes] = []
    content = Content(stored.append, limit=100)
    content.receive_chunk(b"a\r\n.\r", last=False)
    content.receive_chunk(b"\n..b", last=True)
    assert (content.fault, b"".join(stored)) == (None, b"a\r\n.\r\n..b\r\n")
