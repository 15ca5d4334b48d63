"""Room for mail, and the file whose room is for deletes."""

import os
from pathlib import Path

import pytest

from listeners.keeper import space
from listeners.keeper.space import ReserveFile, Space
from mail.errors import StorageFull
from mail.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(descriptor=os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))


class Disk:
    """What statvfs says of a disk, settable."""

    def __init__(self, free: int, whole: int = 10 << 30, free_files: int = 1000, files: int = 1000) -> None:
        self.free, self.whole, self.free_files, self.files = free, whole, free_files, files

    def __call__(self, path: object) -> os.statvfs_result:
        return os.statvfs_result(
            (4096, 4096, self.whole // 4096, 0, self.free // 4096, self.files, 0, self.free_files, 0, 255)
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(8 << 30)
    monkeypatch.setattr(space.os, "statvfs", made)
    monkeypatch.setattr(space, "LOOK_SECONDS", -1.0)
    return made


def test_there_is_room_until_the_larger_reserve_is_reached(disk: Disk, tmp_path: Path, log: Log) -> None:
    file = ReserveFile(tmp_path / "reserve", reserve_bytes=0, log=log)
    room = Space(tmp_path, reserve_bytes=1 << 20, reserve_percent=5, file=file)
    assert room.has(7 << 30)
    disk.free = (10 << 30) // 20 + 5000
    assert room.has(4000) and not room.has(9000)
    room.check(4000)
    with pytest.raises(StorageFull):
        room.check(9000)


def test_a_reserve_larger_than_a_tenth_does_not_close_a_small_disk(disk: Disk, tmp_path: Path, log: Log) -> None:
    disk.whole, disk.free = 1 << 30, 500 << 20
    file = ReserveFile(tmp_path / "reserve", reserve_bytes=0, log=log)
    assert Space(tmp_path, reserve_bytes=1 << 30, reserve_percent=5, file=file).has(1 << 20)


def test_no_inodes_is_no_room(disk: Disk, tmp_path: Path, log: Log) -> None:
    file = ReserveFile(tmp_path / "reserve", reserve_bytes=0, log=log)
    room = Space(tmp_path, reserve_bytes=0, reserve_percent=0, file=file)
    assert room.has(0)
    disk.free_files = 9
    assert not room.has(0)
    # A file system without inodes to count says 0 of 0.
    disk.files = disk.free_files = 0
    assert room.has(0)


def test_the_disk_is_looked_at_once_a_second(
    disk: Disk, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "LOOK_SECONDS", 3600.0)
    room = Space(
        tmp_path, reserve_bytes=0, reserve_percent=0, file=ReserveFile(tmp_path / "r", reserve_bytes=0, log=log)
    )
    assert room.has(1)
    disk.free = 0
    assert room.has(1)


def test_the_reserve_file_goes_when_the_disk_is_full_and_comes_back(disk: Disk, tmp_path: Path, log: Log) -> None:
    path = tmp_path / "reserve"
    file = ReserveFile(path, reserve_bytes=16 << 20, log=log)
    room = Space(tmp_path, reserve_bytes=0, reserve_percent=0, file=file)
    assert file.size == 1 << 20
    file.look()
    assert path.stat().st_size == 1 << 20 and path.stat().st_blocks * 512 >= 1 << 20
    disk.free = 100_000
    assert room.has(1)
    file.look()
    assert not path.exists() and "disk-full" in (tmp_path / "log").read_text()
    # Its room is for deletes: mail is not taken, though there would be some.
    disk.free = 1 << 20
    file.look()
    assert not path.exists() and not room.has(1)
    disk.free = 5 << 20
    file.look()
    assert path.exists() and room.has(1)


def test_a_keeper_that_starts_on_a_full_disk_takes_no_mail(disk: Disk, tmp_path: Path, log: Log) -> None:
    disk.free = 1 << 20
    file = ReserveFile(tmp_path / "reserve", reserve_bytes=16 << 20, log=log)
    file.look()
    assert file.away and not (tmp_path / "reserve").exists()


def test_without_a_reserve_there_is_no_file(disk: Disk, tmp_path: Path, log: Log) -> None:
    file = ReserveFile(tmp_path / "reserve", reserve_bytes=0, log=log)
    file.look()
    disk.free = 0
    file.look()
    file.give_back()
    assert not file.away and not (tmp_path / "reserve").exists()
