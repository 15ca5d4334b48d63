"""Each message of tests/bombs.py costs next to nothing: time by size, memory that comes back, and no exception.

The promise is half a second of CPU for 10 MB; the bound here is three times that, so that a busy machine does not fail.
"""

import gc
import mmap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mail.check.structure import structure
from mail.imap.bodystructure import non_extended
from mail.imap.summary import Summary, summarize
from mail.message.plain_text import search_text
from mail.message.scan import DEPTH_MAX, PARTS_MAX, scan
from tests.bombs import BOMBS, MB, MESSAGE, MIXED, nesting
from tests.imap_shapes import read_body, read_envelope

ALLOWED = 3 * 0.5
# What a reader keeps of a message while it reads: fields, parts and IMAP text, whatever the size.
MEMORY = 30 * MB
SEARCHED = 100_000


def seen(octets: bytes | mmap.mmap) -> Summary:
    summary = summarize(octets)
    non_extended(summary.bodystructure)
    return summary


class Timed:
    """Runs work and holds it to the promise."""

    def __init__(self, size: int) -> None:
        self.allowed = ALLOWED * max(size / 10e6, 1)

    def run(self, work: Callable[[], Any]) -> Any:
        before = time.process_time()
        found = work()
        assert time.process_time() - before < self.allowed
        return found


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_made_to_hurt_costs_next_to_nothing(name: str, tmp_path: Path) -> None:
    octets = BOMBS[name]()
    timed = Timed(len(octets))
    summary = timed.run(lambda: seen(octets))
    timed.run(lambda: search_text(octets, scan(octets), SEARCHED))
    assert len(summary.bodystructure) <= 200 << 10 and len(summary.envelope) <= 70 << 10
    read_envelope(summary.envelope)
    read_body(summary.bodystructure)
    if len(octets) > MB:
        (tmp_path / "message").write_bytes(octets)
        with (tmp_path / "message").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert timed.run(lambda: seen(mapped)) == summary


@pytest.mark.parametrize("name", ["fields in many parts", "1.4M siblings", "addresses of nothing", "a header of folds"])
def test_memory_is_bounded_and_comes_back(name: str) -> None:
    octets = BOMBS[name]()
    summarize(octets)
    gc.collect()
    tracemalloc.start()
    try:
        summarize(octets)
        gc.collect()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MEMORY and kept < MB


def test_the_next_message_is_read_as_ever() -> None:
    octets = MIXED + b"--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n"
    before = summarize(octets)
    for name in ("nesting 3000", "1.4M siblings without a blank line", "ampersands"):
        structure(BOMBS[name]()[:MB])
    assert summarize(octets) == before


@pytest.mark.parametrize(
    "name",
    [
        "nesting 100",
        "nesting 100000",
        "200k siblings",
        "a boundary that begins its like",
        "nested messages",
        "a boundary of 10000",
        "fields in many parts",
    ],
)
def test_limits_leave_a_leaf_and_say_so(name: str) -> None:
    octets = BOMBS[name]()
    assert "structure-truncated" in summarize(octets).defects
    parts = list(scan(octets).parts())
    assert len(parts) <= PARTS_MAX + 1 and max(part.depth for part in parts) <= DEPTH_MAX
    assert all(part.children or part.content_type.value != b"multipart/mixed" for part in parts)


def test_what_is_within_the_limits_is_shown_whole() -> None:
    for octets in (
        nesting(20) + b"\r\nx\r\n",
        MESSAGE * 5 + b"\r\nx\r\n",
        MIXED + b"--x\r\n\r\n\r\n" * 1000 + b"--x--",
    ):
        assert "structure-truncated" not in summarize(octets).defects
    for octets in (
        nesting(21) + b"\r\nx\r\n",
        MESSAGE * 6 + b"\r\nx\r\n",
        MIXED + b"--x\r\n\r\n\r\n" * 1001 + b"--x--",
    ):
        assert "structure-truncated" in summarize(octets).defects
