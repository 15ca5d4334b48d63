"""What waits is one transaction; what is bad fails alone; a fault stops everything until a probe has passed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from listeners.keeper import committer
from listeners.keeper.committer import BATCH_MAX, Entry
from mail.errors import Bug, MailError, NoSuchMailbox, StorageFault, Unavailable
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import arrivals
from mail.store.arrivals import Append, Appended
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes
from mail.store.engine import Store
from tests.keeper_office import Office, Posted, letter

SMALL, LARGE = 500, 20_000


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    made = Office(store, tmp_path, clock)
    yield made
    made.close()


def appending(office: Office, *octets: bytes, mailbox: str = "Inbox") -> Callable[[Changes, list[Staged]], Any]:
    def write(changes: Changes, staged: list[Staged]) -> Any:
        added = tuple(
            Appended(BlobRow.of(one, changes.now), summarize(body), 1) for one, body in zip(staged, octets, strict=True)
        )
        return arrivals.append(changes, Append(office.ann, mailbox, added))

    return write


def post(office: Office, number: int, size: int = SMALL, mailbox: str = "Inbox") -> Posted:
    octets = letter(number, size)
    return Posted(office, appending(office, octets, mailbox=mailbox), octets)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_everything_that_waits_is_one_batch_and_keeps_its_order(office: Office, size: int) -> None:
    posted = [post(office, number, size) for number in range(BATCH_MAX + 3)]
    office.committer.start()
    office.committer.stop()
    uids = [one.close()[2] for one in posted]
    assert uids == [[number] for number in range(1, BATCH_MAX + 4)]
    assert (office.committer.batches, office.committer.messages) == (2, BATCH_MAX + 3)
    assert [octets for _, octets in office.stored(office.ann)] == [letter(n, size) for n in range(BATCH_MAX + 3)]
    assert office.wrong() == []
    assert os.listdir(office.blobs.temporary) == []


def breaks(error: Exception) -> Callable[[Changes, list[Staged]], Any]:
    def write(changes: Changes, staged: list[Staged]) -> Any:
        raise error

    return write


def breaks_a_rule(changes: Changes, staged: list[Staged]) -> Any:
    changes.tx.execute(
        text(
            "INSERT INTO domain (id, name, disabled, catchall_separators, localpart_case_sensitive,"
            " created_at) VALUES (99, 'a.example', FALSE, '', FALSE, 0)"
        )
    )


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(
    "bad",
    [breaks(AttributeError("x")), breaks(NoSuchMailbox("x")), breaks(ZeroDivisionError()), breaks_a_rule],
    ids=["unforeseen", "refused", "arithmetic", "the database's rule"],
)
def test_one_that_is_bad_fails_alone(office: Office, bad: Any, size: int) -> None:
    octets = letter(7, size)
    before = post(office, 1, size)
    broken = Posted(office, bad, octets)
    after = post(office, 2, size)
    missing = post(office, 3, size, mailbox="nowhere")
    office.committer.start()
    office.committer.stop()
    assert (before.close()[2], after.close()[2]) == ([1], [2])
    assert isinstance(broken.close(), MailError) and isinstance(missing.close(), NoSuchMailbox)
    assert [octets for _, octets in office.stored(office.ann)] == [letter(1, size), letter(2, size)]
    assert [event.uid for event in office.heard.events] == [1, 2]  # type: ignore[attr-defined]
    assert len(list(office.blobs.stored())) == (2 if size == LARGE else 0)
    assert office.wrong() == []
    assert office.committer.refusing is None


def test_a_bad_one_alone_gets_its_error_and_the_next_batch_is_taken(office: Office) -> None:
    office.committer.start()
    broken = Posted(office, breaks(AttributeError("secret")), letter(1))
    office.committer.stop()
    assert isinstance(broken.close(), Bug)
    assert "commit-failed" in office.logged()


def test_a_descriptor_that_lies_fails_alone(office: Office) -> None:
    good = [post(office, 1), post(office, 2, LARGE)]
    lying = [post(office, 3), post(office, 4, LARGE)]
    for one in lying:
        os.ftruncate(one.descriptors[0], 10)
    office.committer.start()
    office.committer.stop()
    assert [one.close()[2] for one in good] == [[1], [2]]
    assert all(isinstance(one.close(), Bug) for one in lying)
    assert office.wrong() == [] and office.committer.refusing is None


def test_one_of_several_contents_that_lies_leaves_none_of_them(office: Office) -> None:
    bodies = [letter(number, LARGE) for number in range(3)]
    posted = Posted(office, appending(office, *bodies), *bodies)
    os.ftruncate(posted.descriptors[1], 10)
    office.committer.start()
    office.committer.stop()
    assert isinstance(posted.close(), Bug)
    assert list(office.blobs.stored()) == [] and os.listdir(office.blobs.temporary) == []


def committed(office: Office) -> Any:
    """What a batch of one gives, without the thread."""
    results: list[Any] = []
    office.committer._commit([Entry([], appending(office), results.append)])
    (result,) = results
    return result


def test_a_fault_refuses_everything_until_a_probe_has_passed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    # The disk is taken away: no file can be made.
    shutil.rmtree(office.blobs.temporary)
    hurt = post(office, 1, LARGE)
    office.committer.start()
    office.committer.stop()
    assert isinstance(hurt.close(), StorageFault)
    assert office.committer.refusing is not None and "storage-fault" in office.logged()
    assert all(isinstance(committed(office), StorageFault) for _ in range(3))

    # A probe that fails, one whose time has not come, and one that passes.
    monkeypatch.setattr(committer, "PROBE_SECONDS", 0.0)
    office.committer.leave_refusal()
    assert office.committer.refusing is not None and "storage-still-faulty" in office.logged()
    office.blobs.temporary.mkdir()
    monkeypatch.setattr(committer, "PROBE_SECONDS", 3600.0)
    office.committer.leave_refusal()
    assert office.committer.refusing is not None
    monkeypatch.setattr(committer, "PROBE_SECONDS", 0.0)
    office.committer.leave_refusal()
    assert office.committer.refusing is None and "storage-well" in office.logged()
    assert not isinstance(committed(office), MailError)
    assert office.stored(office.ann) == [] and office.wrong() == []


def test_what_comes_after_the_stop_is_told_so(office: Office) -> None:
    office.committer.start()
    office.committer.stop()
    assert isinstance(post(office, 1).close(), Unavailable)


def test_who_has_an_answer_finds_himself_counted(office: Office) -> None:
    told: list[tuple[int, int]] = []
    counts = office.committer
    counts._commit([Entry([], appending(office), lambda _: told.append((counts.batches, counts.messages)))])
    assert told == [(1, 1)]
