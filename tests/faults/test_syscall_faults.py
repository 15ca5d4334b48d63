"""The n-th call that fails, n = 1 and on until none does: every time an error is told, or the message is there.

SQLite's own method (security §3.9.4). A library made here at test time is loaded into a real keeper and lets one write,
sync, link or creation of a file below its folder fail.
"""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.bundle import wait_until
from tests.faults.keeper import KeeperFolder

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler"),
]

SOURCE = Path(__file__).with_name("preload.c")
OPEN, WRITE, SYNC, LINK = 1, 2, 4, 8
NAMES = {OPEN: "open", WRITE: "write", SYNC: "sync", LINK: "link"}
SMALL, LARGE = 2000, 20_000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("preload") / "preload.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made


class Faults:
    """The four ints the library looks at."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(16))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)

    def arm(self, calls: int, number: int, error: int) -> None:
        self._map[:16] = struct.pack("4i", 0, number, error, 0)
        self._map[:4] = struct.pack("i", calls)

    def disarm(self) -> int:
        """How many calls failed: one, or none when there were fewer than `number`."""
        self._map[:4] = bytes(4)
        return int(struct.unpack("4i", self._map[:16])[3])


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("calls", NAMES, ids=NAMES.values())
def test_whatever_call_fails_nothing_is_acknowledged_that_is_not_there(
    tmp_path: Path, library: Path, calls: int, error: int
) -> None:
    # Each failed write costs a start of the keeper: every fourth here, all of them in the long run.
    fail_each(tmp_path, library, calls, error, step=4 if (calls, error) == (WRITE, errno.EIO) else 1)


@pytest.mark.long
def test_whatever_write_fails_nothing_is_acknowledged_that_is_not_there(tmp_path: Path, library: Path) -> None:
    fail_each(tmp_path, library, WRITE, errno.EIO)


def fail_each(tmp_path: Path, library: Path, calls: int, error: int, *, step: int = 1) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    faults = Faults(tmp_path / "control")
    state = str(folder.settings.data_dir)
    folder.environment = {"LD_PRELOAD": str(library), "FAULT_ROOT": state, "FAULT_CONTROL": str(tmp_path / "control")}
    number, failed, refused, fired = 1 - step, 0, 0, 1
    while fired:
        with folder.running():
            client = folder.client()
            assert folder.deliver(f"sound-{number}", client)
            # As long as the keeper goes on: after a fault it refuses, rightly, and is started again.
            while fired:
                number += step
                faults.arm(calls, number, error)
                answers = [folder.deliver(f"{number}-{size}", client, size) for size in (LARGE, SMALL)]
                fired = faults.disarm()
                failed += fired
                refused += answers.count(False)
                assert all(answers) or fired, "refused without a fault"
                if client.call("status", {})["refusing"]:
                    break
            client.close()
        folder.check()
    with folder.running():
        client = folder.client()
        wait_until(lambda: folder.deliver("after", client), 10, "mail is taken again")
        client.close()
    print(f"{NAMES[calls]} {os.strerror(error)}: {failed} calls failed, {refused} refused, {folder.check()} there")
    assert failed and refused
