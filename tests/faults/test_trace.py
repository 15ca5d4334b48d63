"""The order of syncs, read from the system calls themselves: no acknowledgement leaves before what it promises is
durable (security §3.2, §3.9).
"""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults

CALLS = "openat,write,writev,pwrite64,pwritev,fsync,fdatasync,link,linkat,sendto,sendmsg"
STRACE = ("strace", "-f", "-ttt", "-y", "-s", "200", "-e", f"trace={CALLS}", "-o")
_LINE = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*)\) += (-?\d+)")
_RESUMED = re.compile(r"(\d+) +([\d.]+) <\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*) <unfinished \.\.\.>")


@dataclass
class Order:
    """What has been seen so far: blobs by name with what was done to them, and whether the WAL is ahead of its sync."""

    violations: list[str] = field(default_factory=list)
    acknowledged: int = 0
    blobs: dict[str, list[str]] = field(default_factory=dict)
    wal_dirty: bool = False
    wal_syncs: int = 0
    folder_synced: set[str] = field(default_factory=set)


def finished_calls(text: str) -> list[tuple[str, str]]:
    """(call, arguments) in the order they ended: a sync counts when it returns."""
    begun: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if match := _UNFINISHED.match(line):
            begun[match[1] + match[3]] = match[4]
        elif match := _RESUMED.match(line):
            found.append((match[3], begun.pop(match[1] + match[3], "") + match[4]))
        elif match := _LINE.match(line):
            found.append((match[3], match[4]))
    return found


def check_order(text: str) -> Order:
    """Walk the trace. An acknowledgement is a reply that names a blob as stored."""
    seen = Order()
    for call, arguments in finished_calls(text):
        if call in ("write", "pwrite64", "pwritev", "writev") and "/blobs/tmp/" in arguments:
            seen.blobs.setdefault(_name(arguments), []).append("write")
        elif call in ("write", "pwrite64", "pwritev") and "-wal>" in arguments:
            seen.wal_dirty = True
        elif call in ("fsync", "fdatasync") and "-wal>" in arguments:
            seen.wal_dirty, seen.wal_syncs = False, seen.wal_syncs + 1
        elif call in ("fsync", "fdatasync") and "/blobs/tmp/" in arguments:
            seen.blobs.setdefault(_name(arguments), []).append("sync")
        elif call in ("link", "linkat"):
            seen.blobs.setdefault(_name(arguments), []).append("link")
        elif call == "fsync" and "/blobs/2" in arguments:
            for steps in seen.blobs.values():
                if "link" in steps:
                    steps.append("folder")
        elif call in ("sendto", "sendmsg", "write") and '\\"blob\\"' in arguments:
            _acknowledged(seen, arguments)
    return seen


def _name(arguments: str) -> str:
    return re.search(r"/([0-9a-f]{32})", arguments)[1]  # type: ignore[index]


def _acknowledged(seen: Order, arguments: str) -> None:
    for blob in re.findall(r'\\"blob\\":\\"([0-9a-f]{32})', arguments):
        seen.acknowledged += 1
        if seen.wal_dirty:
            seen.violations.append(f"{blob}: acknowledged before the WAL was synced")
        steps = seen.blobs.get(blob)
        if steps is not None and list(dict.fromkeys(steps)) != ["write", "sync", "link", "folder"]:
            seen.violations.append(f"{blob}: {steps}")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_acknowledgement_comes_after_its_syncs(tmp_path: Path) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    trace = tmp_path / "trace"
    folder.wrapper = (*STRACE, str(trace))
    with folder.running():
        for size in (2000, 20_000):
            assert all(folder.deliver_many(f"one-{size}", 5, 1, size))
            assert all(folder.deliver_many(f"many-{size}", 40, 8, size))
    seen = check_order(trace.read_text())
    print(f"acknowledgements checked: {seen.acknowledged}, WAL syncs: {seen.wal_syncs}")
    assert seen.acknowledged >= 60
    assert seen.violations == []


GOOD = """\
1 1.0 write(9</s/blobs/tmp/{b}>, "x", 1) = 1
1 2.0 fdatasync(9</s/blobs/tmp/{b}>) = 0
1 3.0 link("/s/blobs/tmp/{b}", "/s/blobs/20261124/aa/{b}") = 0
1 4.0 fsync(10</s/blobs/20261124/aa>) = 0
1 5.0 pwrite64(11</s/db/core.db-wal>, "x", 1, 0) = 1
1 6.0 fdatasync(11</s/db/core.db-wal>) = 0
1 7.0 sendto(12<socket:[1]>, "{{\\"ok\\":{{\\"blob\\":\\"{b}\\"}}", 9) = 9
"""


def test_the_checker_sees_an_order_that_is_broken() -> None:
    good = GOOD.format(b="ab" * 16).replace('"{', "x{").splitlines()
    good = (
        GOOD.format(b="ab" * 16)
        .replace('{"ok":{"blob":"', '{\\"ok\\":{\\"blob\\":\\"')
        .replace('"}", 9', '\\"}", 9')
        .splitlines()
    )
    assert check_order("\n".join(good)).acknowledged == 1
    assert check_order("\n".join(good)).violations == []
    for lost in (1, 3, 5):
        doctored = [line for number, line in enumerate(good) if number != lost]
        assert check_order("\n".join(doctored)).violations, good[lost]
    early = [good[6], *good[:6]]
    swapped = [*good[:4], good[4], good[6], good[5]]
    assert check_order("\n".join(swapped)).violations
    assert check_order("\n".join(early)).acknowledged == 1
