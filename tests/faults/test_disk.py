"""A full disk and a failing one: shortage is told as temporary, nothing half done is acknowledged, and it passes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.errors import StorageFault, StorageFull
from tests.bundle import wait_until
from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image, where = tmp_path / "image", tmp_path / "disk"
    where.mkdir()
    image.write_bytes(b"")
    os.truncate(image, 24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(where)], capture_output=True, check=False)
    if mounted.returncode:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(where)], check=True)
    yield where
    subprocess.run(["umount", "-l", str(where)], check=False)


@pytest.mark.parametrize("size", [2000, 200_000], ids=["in rows", "in files"])
def test_a_full_disk_refuses_for_a_while_and_loses_nothing(small_disk: Path, size: int) -> None:
    folder = KeeperFolder.make(small_disk / "k")
    filler = small_disk / "filler"
    with folder.running():
        assert folder.deliver_one("before", size)
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass
        refused = 0
        for number in range(200):
            refused += not folder.deliver_one(f"full-{number}", size)
            if refused >= 5:
                break
        assert refused >= 5
        filler.unlink()
        wait_until(lambda: folder.deliver_one("again", size), 30, "mail is taken again")
    assert folder.check() >= 2


CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "link")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "link", "pwrite64"])
def test_the_nth_call_that_fails_gives_an_error_or_a_whole_message(tmp_path: Path, call: str, error: str) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    failed = 0
    for number in (1, 2, 3, 5, 8):
        inject = f"inject={call}:error={error}:when={number}"
        folder.wrapper = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        with folder.running() as keeper:
            if keeper.poll() is not None:
                # The fault met its start: it said so and ended.
                failed += 1
                continue
            for size in (2000, 20_000):
                failed += folder.deliver_many(f"{number}-{size}", 4, 2, size).count(False)
    folder.wrapper = ()
    with folder.running():
        assert folder.deliver_one("after")
    folder.check()
    assert failed or call == "fsync"


def test_the_words_for_a_shortage_and_a_fault_are_apart() -> None:
    assert StorageFull.public != StorageFault.public
