"""Each way the store can be wrong is found, and named."""

import hashlib
import os
from pathlib import Path

import pytest
from sqlalchemy import text

from mail.store.blobs import IN_ROW_MAX, BlobStore, BlobWriter
from mail.store.engine import Store
from mail.store.verify import findings, strays
from tests.mail.store.blobs_in_rows import NoFiles
from tests.mail.store.pupil import Pupil
from tests.mail.store.test_changes import World, world  # noqa: F401 - a fixture

BROKEN = {
    "UPDATE mailbox SET messages = messages + 1": "messages",
    "UPDATE mailbox SET unseen = 9": "unseen",
    "UPDATE mailbox SET uidnext = 1": "uid",
    "UPDATE mailbox SET size = 1": "size",
    "UPDATE account SET size = 7": "size",
    "UPDATE account SET modseq = 1": "modseq",
    "UPDATE message SET size = size + 1": "size",
    "UPDATE blob SET size = size + 1": "size",
    "UPDATE blob_content SET octets = zeroblob(3)": "octets",
    "DELETE FROM blob_content": "blob",
    "UPDATE mailbox SET uidvalidity = 5": "uidvalidity",
}


@pytest.mark.parametrize("statement", BROKEN)
def test_every_broken_promise_is_found(sqlite_store: Store, clock: object, statement: str) -> None:
    broken = World(sqlite_store, clock)  # type: ignore[arg-type]
    with broken.change() as state:
        broken.add(state, 2)
    broken.check()
    with sqlite_store.write() as tx:
        tx.execute(text(statement))
    assert list(findings(sqlite_store, NoFiles()))


MISLEARNT = {
    "UPDATE arrival SET spam = 2": "arrival",
    "UPDATE arrival SET pending = 1": "arrival",
    "UPDATE arrival SET filed = 1": "arrival",
    "UPDATE message SET flags = 128": "arrival",
    "DELETE FROM arrival": "arrival",
    "INSERT INTO arrival SELECT account_id, 'ff', mailbox, 1, keys, 1, 0, 0, 0, 0, 0, 0, 0 FROM arrival": "arrival",
    "UPDATE history SET junk = 0": "history",
    "UPDATE history SET key = 8": "history",
    "UPDATE history SET account_id = 99": "orphan",
    "UPDATE junk_total SET spams = 0": "junk-words",
    "UPDATE junk_total SET hams = -1": "junk-words",
    "UPDATE junk_word SET spam = 0": "junk-words",
    "UPDATE junk_word SET account_id = -99": "orphan",
}


@pytest.mark.parametrize("statement", MISLEARNT)
def test_what_is_learnt_and_what_is_there_must_agree(sqlite_store: Store, clock: object, statement: str) -> None:
    pupil = Pupil(sqlite_store, clock)  # type: ignore[arg-type]
    pupil.deliver("cheap", "Junk")
    pupil.learn()
    pupil.check()
    with sqlite_store.write() as tx:
        tx.execute(text(statement))
    assert MISLEARNT[statement] in {finding.kind for finding in findings(sqlite_store, NoFiles())}


def test_a_changed_or_missing_blob_file_is_found_and_a_stray_one_told(
    sqlite_store: Store, tmp_path: Path, clock: object
) -> None:
    blobs = BlobWriter(tmp_path / "blobs")
    blobs.prepare()
    octets = os.urandom(IN_ROW_MAX + 1)
    with open(tmp_path / "message", "w+b") as source:
        source.write(octets)
        source.flush()
        staged = blobs.stage(source.fileno(), len(octets), blobs.current_folder())
    blobs.sync_folder(staged.folder)
    blobs.finish(staged)
    assert staged.sha256 == hashlib.sha256(octets).digest()
    assert blobs.read(staged.folder, staged.id) == octets
    assert [finding.subject for finding in strays(sqlite_store, blobs)] == [f"{staged.folder}/{staged.id}"]
    with sqlite_store.write() as tx:
        insert = "INSERT INTO blob (id, folder, size, sha256, created_at, envelope, bodystructure, structure, subject,"
        insert += " sender, recipients, cc, bcc, message_id) VALUES (:id, :folder, :size, :sha256, 1, '', '', '', '',"
        insert += " '', '', '', '', '')"
        values = {"id": staged.id, "folder": staged.folder, "size": staged.size, "sha256": staged.sha256}
        tx.execute(text(insert), values)
    assert list(findings(sqlite_store, blobs)) == list(strays(sqlite_store, blobs)) == []
    path = blobs.path / staged.folder / staged.id
    os.chmod(path, 0o600)
    path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    assert [finding.kind for finding in findings(sqlite_store, blobs)] == ["blob-hash"]
    assert list(findings(sqlite_store, blobs, hashes=False)) == []
    path.unlink()
    assert [finding.kind for finding in findings(sqlite_store, BlobStore(blobs.path))] == ["blob-missing"]
