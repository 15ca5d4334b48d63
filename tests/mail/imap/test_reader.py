import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imap.reader import (
    AUTHENTICATED,
    RAW_LINE,
    UNAUTHENTICATED,
    BadLine,
    CommandReceived,
    Event,
    LiteralAnnounced,
    LiteralPart,
    Reader,
)


def events(octets: bytes, *cuts: int, reader: Reader | None = None, stream: bool = False) -> list[Event]:
    """What comes out; literals that fit are accepted, others refused where the client waits."""
    reader = reader or Reader(AUTHENTICATED)
    found: list[Event] = []
    for start, end in itertools.pairwise([0, *sorted(cuts), len(octets)]):
        reader.receive(octets[start:end])
        while (event := reader.next()) is not None:
            found.append(event)
            if isinstance(event, LiteralAnnounced):
                if stream:
                    reader.stream()
                elif event.fits:
                    reader.accept()
                else:
                    reader.refuse()
    return found


def test_commands_come_out_whole_and_literals_in_place() -> None:
    assert events(b"a NOOP\r\nb LOGIN {3}\r\nann {2+}\r\npw\r\n") == [
        CommandReceived(b"a NOOP"),
        LiteralAnnounced(b"b LOGIN {3}\r\n", 3, waits=True, binary=False, fits=True),
        LiteralAnnounced(b"b LOGIN {3}\r\nann {2+}\r\n", 2, waits=False, binary=False, fits=True),
        CommandReceived(b"b LOGIN {3}\r\nann {2+}\r\npw"),
    ]


def test_a_streamed_literal_comes_in_parts_and_is_not_kept() -> None:
    octets = b"a APPEND x ~{10}\r\n0123456789 (x)\r\n"
    found = events(octets, 21, 25, stream=True)
    parts = [event for event in found if isinstance(event, LiteralPart)]
    assert b"".join(part.octets for part in parts) == b"0123456789"
    assert [part.last for part in parts].count(True) == 1 and parts[-1].last
    assert found[-1] == CommandReceived(b" (x)")


@pytest.mark.parametrize(
    ("octets", "fits"),
    [
        (b"a LOGIN {1024}\r\n", True),
        (b"a LOGIN {1025}\r\n", False),
        (b"a LOGIN {99999999999999999999}\r\n", False),
        (b"a LOGIN {4294967295}\r\n", False),
    ],
)
def test_a_stranger_gets_little_and_is_judged_before_an_octet_is_read(octets: bytes, fits: bool) -> None:
    (announced,) = events(octets, reader=Reader(UNAUTHENTICATED))
    assert isinstance(announced, LiteralAnnounced) and announced.fits is fits


def test_a_client_that_does_not_wait_may_send_four_kibibytes() -> None:
    for size, fits in ((4096, True), (4097, False)):
        reader = Reader(AUTHENTICATED)
        reader.receive(b"a LOGIN {%d+}\r\n" % size)
        announced = reader.next()
        assert isinstance(announced, LiteralAnnounced) and announced.fits is fits


def test_the_fourth_literal_of_a_stranger_does_not_fit() -> None:
    octets = b"a X" + b" {1}\r\nx" * 4
    found = [event for event in events(octets, reader=Reader(UNAUTHENTICATED)) if isinstance(event, LiteralAnnounced)]
    assert [event.fits for event in found] == [True, True, True, False]


@pytest.mark.parametrize("line", [b"a NOOP\n", b"a NO\0OP\r\n", b"a {3}\n"])
def test_a_line_that_breaks_the_rules_leaves_us_in_step(line: bytes) -> None:
    bad, good = events(line + b"b NOOP\r\n")
    assert isinstance(bad, BadLine) and not bad.fatal
    assert good == CommandReceived(b"b NOOP")


def test_a_line_without_end_is_fatal_and_frees_its_memory() -> None:
    for limits, most in ((UNAUTHENTICATED, 8192), (AUTHENTICATED, 1 << 20)):
        reader = Reader(limits)
        fatal: Event | None = None
        for _ in range(most // 1000 + 2):
            reader.receive(b"x" * 1000)
            fatal = fatal or reader.next()
            if fatal:
                break
        assert isinstance(fatal, BadLine) and fatal.fatal
        assert reader.pending == 0


def test_a_raw_line_is_a_sasl_response() -> None:
    reader = Reader()
    reader.raw = True
    assert events(b"AGE={3}\r\n", reader=reader) == [CommandReceived(b"AGE={3}")]
    reader.receive(b"x" * (RAW_LINE + 2))
    assert isinstance(reader.next(), BadLine)


PIECES = [b"a", b" ", b"{3}\r\n", b"{2+}\r\n", b"~{1}\r\n", b"\r\n", b"\n", b"\0", b"{", b"}", b'"', b"{99999}\r\n"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20), st.data())
def test_how_octets_are_cut_never_matters(pieces: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(pieces) + b"\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    assert events(octets) == events(octets, *cuts)
