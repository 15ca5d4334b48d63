"""Blob files: one immutable file a message, durable before the row that names it.

The keeper writes them in the order of security §3.2: c1 create below tmp/, c2 fill, c4 fdatasync, c5 link to its
place (which fails if the name exists; a rename would overwrite), c6 fsync the folder. Everyone else only reads.
A sync that failed is never tried again on the same file: the kernel may have dropped the page and would say yes.
"""

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mail.errors import Bug, MailError, StorageFault, StorageFull

CHUNK = 1 << 20
# Up to this size the content goes into the database with its row: one sync instead of three.
IN_ROW_MAX = 16 << 10
# A folder is used this long, so that a batch touches one, and no folder grows without end.
FOLDER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Staged:
    """A blob that is durable under its name, and under a temporary one that is to be removed after the commit."""

    id: str
    folder: str
    size: int
    sha256: bytes
    temporary: str
    # A small one's content, to be made durable with its row: it has no file, no folder and no temporary name.
    octets: bytes | None = None


def storage_error(error: OSError, what: str) -> MailError:
    """Our word for a failed write: a shortage, or a fault nothing may be acknowledged after."""
    detail = f"{what}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return StorageFull(detail)
    return StorageFault(detail)


class BlobStore:
    """Reads blobs. `BlobWriter` adds what the keeper alone may do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, folder: str, blob_id: str) -> int:
        """A descriptor for reading, the caller's to close. StorageFault when the file is not there."""
        try:
            return os.open(f"{self.path}/{folder}/{blob_id}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFault(f"blob {folder}/{blob_id}: {error.strerror}") from error

    def read(self, folder: str, blob_id: str) -> bytes:
        """The whole content. StorageFault when it cannot be had."""
        descriptor = self.open(folder, blob_id)
        try:
            parts: list[bytes] = []
            while part := os.read(descriptor, CHUNK):
                parts.append(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        except OSError as error:
            raise StorageFault(f"blob {folder}/{blob_id}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def read_start(self, folder: str, blob_id: str, most: int) -> bytes:
        """At most that many octets from its beginning. StorageFault when it cannot be had."""
        descriptor = self.open(folder, blob_id)
        try:
            return os.pread(descriptor, most, 0)
        except OSError as error:
            raise StorageFault(f"blob {folder}/{blob_id}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def stored(self) -> Iterator[tuple[str, str]]:
        """(folder, id) of every blob file."""
        for folder, blob_id, _ in self.files():
            yield folder, blob_id

    def files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Every blob file: (folder, id, status). For verify and the sweep."""
        for day in sorted(self._folders(self.path)):
            for part in sorted(self._folders(self.path / day)):
                folder = f"{day}/{part}"
                with os.scandir(self.path / folder) as entries:
                    for entry in entries:
                        try:
                            yield folder, entry.name, entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue

    @staticmethod
    def _folders(path: Path) -> list[str]:
        if not path.is_dir():
            return []
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name != "tmp"]


class BlobWriter(BlobStore):
    """The one writer. Its methods are safe to call from several threads at once, save for `current_folder`.

    `passed` is told of the steps inside `stage`: c2 some octets written, c3 all, c4 synced.
    """

    def __init__(self, path: Path, *, passed: Callable[[str], None] = lambda step: None) -> None:
        super().__init__(path)
        self._passed = passed
        self._folder = ""
        self._since = 0.0
        self._durable: set[str] = set()
        self.temporary = path / "tmp"

    def prepare(self) -> None:
        """Make the folders everything stands in, durable."""
        for folder in (self.path, self.temporary):
            folder.mkdir(parents=True, exist_ok=True, mode=0o2750)
        for folder in (self.temporary, self.path, self.path.parent):
            self._sync(str(folder))

    def current_folder(self) -> str:
        """The folder new blobs go to, made durable: its parents first. StorageFull, StorageFault."""
        now = time.monotonic()
        day = time.strftime("%Y%m%d", time.gmtime())
        if not self._folder or now - self._since > FOLDER_SECONDS or not self._folder.startswith(day):
            wanted = f"{day}/{secrets.token_hex(1)}"
            if wanted not in self._durable:
                self._make(day, wanted)
            self._folder, self._since = wanted, now
        return self._folder

    def _make(self, day: str, wanted: str) -> None:
        try:
            for folder, parent in ((day, ""), (wanted, day)):
                made = self.path / folder
                made.mkdir(exist_ok=True, mode=0o2750)
                if folder not in self._durable:
                    self._sync(str(self.path / parent))
                    self._durable.add(folder)
        except OSError as error:
            raise storage_error(error, f"blob folder {wanted}") from error

    def stage(self, source: int, size: int, folder: str) -> Staged:
        """Copy `size` octets of the descriptor into a new blob, sync it, name it. The folder is not synced yet.

        StorageFull, StorageFault: nothing is left behind then.
        """
        blob_id = new_id()
        temporary = f"{self.temporary}/{blob_id}"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, 0o440)
        except OSError as error:
            raise storage_error(error, f"blob {blob_id}") from error
        try:
            digest = self._copy(source, descriptor, size)
            self._passed("c3")
            os.fdatasync(descriptor)
            self._passed("c4")
            os.link(temporary, f"{self.path}/{folder}/{blob_id}")
        except OSError as error:
            _unlink(temporary)
            raise storage_error(error, f"blob {blob_id}") from error
        except MailError:
            _unlink(temporary)
            raise
        finally:
            os.close(descriptor)
        return Staged(blob_id, folder, size, digest, temporary)

    def _copy(self, source: int, target: int, size: int) -> bytes:
        """Write exactly `size` octets; returns their SHA-256."""
        digest = hashlib.sha256()
        at = 0
        while at < size:
            part = os.pread(source, min(CHUNK, size - at), at)
            if not part:
                raise Bug(f"message of {size} octets ends at {at}")
            digest.update(part)
            view = memoryview(part)
            while view:
                view = view[os.write(target, view) :]
                self._passed("c2")
            at += len(part)
        return digest.digest()

    @staticmethod
    def in_row(source: int, size: int) -> Staged:
        """A small blob that lives in its row. Bug when the descriptor has less than it should, StorageFault."""
        try:
            octets = os.pread(source, size, 0)
        except OSError as error:
            raise storage_error(error, "message descriptor") from error
        if len(octets) != size:
            raise Bug(f"message of {size} octets ends at {len(octets)}")
        return Staged(new_id(), "", size, hashlib.sha256(octets).digest(), "", octets)

    def sync_folder(self, folder: str) -> None:
        """Make the names in it durable. StorageFault, StorageFull: it is not used again."""
        try:
            self._sync(f"{self.path}/{folder}")
        except OSError as error:
            self._folder = ""
            raise storage_error(error, f"blob folder {folder}") from error

    @staticmethod
    def _sync(path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def finish(self, staged: Staged) -> None:
        """After the commit: only the final name stays."""
        if staged.octets is None:
            _unlink(staged.temporary)

    def discard(self, staged: Staged) -> None:
        """The commit did not happen: best effort; the sweep is the guarantee."""
        if staged.octets is None:
            _unlink(staged.temporary)
            self.remove(staged.folder, staged.id)

    def remove(self, folder: str, blob_id: str) -> None:
        _unlink(f"{self.path}/{folder}/{blob_id}")

    def sweep_temporary(self, *, all_of_them: bool, age: float = 3600.0) -> int:
        """Remove what a crash left below tmp/: everything when no other keeper lives, else what is old."""
        removed = 0
        with os.scandir(self.temporary) as entries:
            for entry in entries:
                try:
                    if all_of_them or time.time() - entry.stat().st_mtime > age:
                        os.unlink(entry.path)
                        removed += 1
                except FileNotFoundError:
                    continue
        return removed

    def probe(self) -> None:
        """Write, sync and remove a small file: whether the disk takes mail again. StorageFull, StorageFault."""
        path = f"{self.temporary}/probe.{os.getpid()}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, b"\0" * 4096)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise storage_error(error, "probe") from error
        finally:
            _unlink(path)


def new_id() -> str:
    """128 bits: milliseconds first, so that the rows of new blobs lie together, then chance."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
