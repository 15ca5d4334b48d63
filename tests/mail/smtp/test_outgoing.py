import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.smtp.outgoing import FINAL_DOT, UnsendableContent, dot_stuffed, pieces_of


def sent(*pieces: bytes) -> bytes:
    return b"".join(dot_stuffed(iter(pieces)))


def test_a_dot_at_the_start_of_a_line_is_doubled():
    assert sent(b".a\r\n..\r\nb.\r\n.\r\n") == b"..a\r\n...\r\nb.\r\n..\r\n"


def test_the_last_line_gets_its_end_and_only_then():
    assert sent(b"a") == b"a\r\n"
    assert sent(b"a\r\n") == b"a\r\n"
    assert sent(b"a\r\n", b"") == b"a\r\n"


def test_an_empty_message_is_a_lone_dot_and_nothing_before():
    assert sent() == b""
    assert sent(b"") == b""


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb\r\n",
        b"a\rb\r\n",
        b"a\r\r\n",
        b"\n",
        b"\r",
        b"a\0b\r\n",
        b"a\r",
        b"a\n",
        b"a\r\n.\n",
        b"\r.\r\n",
        b"\n.\r\n",
    ],
)
def test_bare_line_ends_and_nul_are_never_sent(content):
    with pytest.raises(UnsendableContent):
        sent(content)
    for cut in range(len(content)):
        with pytest.raises(UnsendableContent):
            sent(content[:cut], content[cut:])


def test_how_the_content_is_cut_makes_no_difference():
    content = b"x\r\n.\r\n..\r\n\r\n.end"
    whole = sent(content)
    for first in range(len(content)):
        for second in range(first, len(content)):
            assert sent(content[:first], content[first:second], content[second:]) == whole


@given(st.lists(st.sampled_from([b".", b"\r\n", b"a", b"..", b" ", b"\xc3\xa4", b"long line"]), max_size=40), st.data())
def test_a_receiver_that_unstuffs_gets_what_was_to_be_sent(parts, data):
    content = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    pieces = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    wire = sent(*pieces) + FINAL_DOT
    assert wire == FINAL_DOT or wire.endswith(b"\r\n" + FINAL_DOT)
    lines = wire.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    # No line before the last is the lone dot: nothing in the content can end it early.
    assert b"." not in lines[:-2]
    unstuffed = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    assert unstuffed == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")


def test_a_blob_comes_in_pieces_after_its_prefix(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(b"x" * 600_000)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert b"".join(pieces_of(b"A: b\r\n", descriptor, 600_000)) == b"A: b\r\n" + b"x" * 600_000
        assert b"".join(pieces_of(b"", descriptor, 5)) == b"xxxxx"
        with pytest.raises(OSError, match="ends at"):
            list(pieces_of(b"", descriptor, 600_001))
    finally:
        os.close(descriptor)
