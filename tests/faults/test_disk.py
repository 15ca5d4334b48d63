"""A full disk: shortage is told as temporary, nothing half done is acknowledged, what is there is read and deleted."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.errors import StorageFault, StorageFull
from mail.now import SystemClock
from mail.runtime.stored import open_store
from mail.store import message_changes
from mail.store.changes import changing
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


def fill(path: Path) -> None:
    """Take every octet there is."""
    with open(path, "ab", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("size", [2000, 200_000], ids=["in rows", "in files"])
def test_a_full_disk_refuses_for_a_while_and_loses_nothing(small_disk: Path, size: int) -> None:
    folder = KeeperFolder.make(small_disk / "k")
    filler = small_disk / "filler"
    with folder.running():
        client = folder.client()
        assert folder.deliver("before", client, size)
        fill(filler)
        refused = 0
        for number in range(200):
            refused += not folder.deliver(f"full-{number}", client, size)
            if refused >= 5:
                break
        assert refused >= 5
        assert len(folder.present()) >= 1, "what is there can be read"
        filler.unlink()
        wait_until(lambda: folder.deliver("again", client, size), 30, "mail is taken again")
        client.close()
    assert folder.check() >= 2


def expunge_one(folder: KeeperFolder) -> bool:
    """As an IMAP session does it, in a process of its own. False: there is no room even for that."""
    store = open_store(folder.settings)
    try:
        with changing(store, None, clock=SystemClock()) as changes:
            state = changes.account(1)
            box = state.mailbox_named("Inbox")
            assert box is not None
            return message_changes.expunge(state, box.id, [1]) == [1]
    except (StorageFull, StorageFault):
        return False
    finally:
        store.close()


def test_on_a_disk_without_an_octet_left_mail_can_be_deleted_and_none_comes(small_disk: Path) -> None:
    folder = KeeperFolder.make(small_disk / "k", reserve=16 << 20)
    reserve, filler = folder.settings.data_dir / "reserve", small_disk / "filler"
    with folder.running():
        client = folder.client()
        assert folder.deliver("first", client) and folder.deliver("second", client)
        assert reserve.stat().st_size >= 1 << 20
        fill(filler)
        wait_until(lambda: not reserve.exists(), 10, "the reserve is given back")
        assert not folder.deliver("refused", client)
        assert client.call("space", {"size": 1}) == {"ok": False}
        wait_until(lambda: expunge_one(folder), 10, "a message is deleted")
        assert not folder.deliver("refused, too", client), "its room is not for mail"
        filler.unlink()
        wait_until(lambda: folder.deliver("again", client), 30, "mail is taken again")
        assert reserve.exists()
        client.close()
    assert len(folder.present()) == 2 and folder.findings() == []
