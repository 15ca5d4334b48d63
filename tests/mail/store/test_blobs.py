"""Blob files: written in the promised order, read whole, never left half, swept when nobody owns them."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from mail.errors import Bug, StorageFault, StorageFull
from mail.store import blobs
from mail.store.blobs import BlobStore, BlobWriter, Staged, storage_error


@pytest.fixture
def writer(tmp_path: Path) -> BlobWriter:
    made = BlobWriter(tmp_path / "blobs")
    made.prepare()
    return made


def memory(octets: bytes) -> int:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor


def stage(writer: BlobWriter, octets: bytes) -> Staged:
    descriptor = memory(octets)
    try:
        return writer.stage(descriptor, len(octets), writer.current_folder())
    finally:
        os.close(descriptor)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("size", [0, 1, 20_000, blobs.CHUNK, blobs.CHUNK + 1, 3 * blobs.CHUNK + 7])
def test_a_staged_blob_reads_back_and_knows_its_hash(writer: BlobWriter, size: int) -> None:
    octets = os.urandom(size)
    staged = stage(writer, octets)
    writer.sync_folder(staged.folder)
    assert staged.size == size and staged.sha256 == hashlib.sha256(octets).digest()
    assert writer.read(staged.folder, staged.id) == octets
    assert writer.read_start(staged.folder, staged.id, 10) == octets[:10]
    file = writer.path / staged.folder / staged.id
    assert stat.S_IMODE(file.stat().st_mode) == 0o440
    assert names(writer.temporary) == [staged.id]
    writer.finish(staged)
    assert names(writer.temporary) == []
    assert list(writer.stored()) == [(staged.folder, staged.id)]


def test_staging_passes_its_steps_in_order(tmp_path: Path) -> None:
    steps: list[str] = []
    writer = BlobWriter(tmp_path / "blobs", passed=steps.append)
    writer.prepare()
    stage(writer, b"x" * (blobs.CHUNK + 1))
    assert steps == ["c2", "c2", "c3", "c4"]


def test_a_discarded_blob_leaves_nothing(writer: BlobWriter) -> None:
    staged = stage(writer, b"gone")
    writer.discard(staged)
    assert list(writer.stored()) == [] and names(writer.temporary) == []
    writer.discard(staged)


def test_the_octets_are_read_from_the_beginning_whatever_was_read_before(writer: BlobWriter) -> None:
    descriptor = memory(b"whole")
    os.lseek(descriptor, 3, os.SEEK_SET)
    staged = writer.stage(descriptor, 5, writer.current_folder())
    assert writer.read(staged.folder, staged.id) == b"whole"
    assert writer.in_row(descriptor, 5).octets == b"whole"
    os.close(descriptor)


def test_a_descriptor_that_ends_early_is_a_bug_and_leaves_nothing(writer: BlobWriter) -> None:
    descriptor = memory(b"short")
    with pytest.raises(Bug):
        writer.stage(descriptor, 6, writer.current_folder())
    with pytest.raises(Bug):
        writer.in_row(descriptor, 6)
    os.close(descriptor)
    assert names(writer.temporary) == [] and list(writer.stored()) == []


def test_a_descriptor_that_cannot_be_read_is_told(writer: BlobWriter, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "write-only", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"x")
    with pytest.raises(StorageFault):
        writer.in_row(descriptor, 1)
    with pytest.raises(StorageFault):
        writer.stage(descriptor, 1, writer.current_folder())
    os.close(descriptor)
    assert names(writer.temporary) == []


def test_a_name_that_is_taken_is_never_overwritten(writer: BlobWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage(writer, b"first")
    monkeypatch.setattr(blobs, "new_id", lambda: first.id)
    with pytest.raises(StorageFault):
        stage(writer, b"second")
    writer.finish(first)
    with pytest.raises(StorageFault):
        stage(writer, b"third")
    assert writer.read(first.folder, first.id) == b"first"


def test_a_small_one_has_no_file(writer: BlobWriter) -> None:
    descriptor = memory(b"small")
    staged = writer.in_row(descriptor, 5)
    os.close(descriptor)
    assert staged.octets == b"small" and staged.folder == staged.temporary == ""
    writer.finish(staged)
    writer.discard(staged)
    assert list(writer.stored()) == []


def test_one_folder_serves_until_its_time_is_over(writer: BlobWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = writer.current_folder()
    assert {writer.current_folder() for _ in range(50)} == {folder}
    monkeypatch.setattr(blobs, "FOLDER_SECONDS", -1.0)
    found = {writer.current_folder() for _ in range(50)}
    assert len(found) > 1 and all((writer.path / one).is_dir() for one in found)


def test_a_folder_that_could_not_be_synced_is_not_used_again(writer: BlobWriter) -> None:
    folder = writer.current_folder()
    (writer.path / folder).rmdir()
    with pytest.raises(StorageFault):
        writer.sync_folder(folder)
    writer._durable.clear()
    again = writer.current_folder()
    assert (writer.path / again).is_dir()


def test_what_cannot_be_opened_is_a_storage_fault(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "nothing")
    with pytest.raises(StorageFault):
        store.read("20260101/aa", "0" * 32)
    with pytest.raises(StorageFault):
        store.read_start("20260101/aa", "0" * 32, 5)
    assert list(store.stored()) == []


def test_a_symbolic_link_is_not_followed(writer: BlobWriter, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = writer.current_folder()
    os.symlink(tmp_path / "secret", writer.path / folder / "link")
    with pytest.raises(StorageFault):
        writer.read(folder, "link")


def test_the_sweep_takes_what_is_old_or_everything_of_a_dead_keeper(writer: BlobWriter) -> None:
    old, new = writer.temporary / "old", writer.temporary / "new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (1, 1))
    assert writer.sweep_temporary(all_of_them=False) == 1
    assert names(writer.temporary) == ["new"]
    assert writer.sweep_temporary(all_of_them=True) == 1
    assert names(writer.temporary) == []


def test_a_probe_leaves_nothing_and_tells_when_it_cannot_write(writer: BlobWriter) -> None:
    writer.probe()
    assert names(writer.temporary) == []
    writer.temporary.rmdir()
    with pytest.raises(StorageFault):
        writer.probe()


def test_shortage_and_fault_have_their_own_words() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        assert isinstance(storage_error(OSError(number, "full"), "x"), StorageFull)
    for number in (errno.EIO, errno.EROFS, errno.ENOENT):
        assert isinstance(storage_error(OSError(number, "bad"), "x"), StorageFault)


def test_ids_are_unique_and_rise_with_time() -> None:
    made = [blobs.new_id() for _ in range(1000)]
    assert len(set(made)) == 1000 and all(len(one) == 32 for one in made)
    assert [one[:12] for one in made] == sorted(one[:12] for one in made)
