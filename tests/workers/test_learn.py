import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mail.log import Log
from mail.now import SetClock
from mail.store.blobs import IN_ROW_MAX, BlobStore
from mail.store.engine import Store
from mail.store.flags import JUNK
from tests.mail.store.pupil import Pupil, hashes
from workers import learn
from workers.learn import LearnWork


class Wakes:
    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, job: str) -> None:
        self.woken.append(job)


@pytest.fixture
def pupil(store: Store, clock: SetClock) -> Pupil:
    return Pupil(store, clock)


def work(pupil: Pupil, folder: Path) -> tuple[LearnWork, Wakes]:
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    bus = Wakes()
    world = SimpleNamespace(
        store=pupil.store, blobs=BlobStore(folder / "blobs"), log=Log(descriptor=descriptor), bus=bus
    )
    return LearnWork(world, hashes), bus  # type: ignore[arg-type]


def test_all_that_waits_is_learnt_in_one_job(pupil: Pupil, tmp_path: Path):
    for number in range(250):
        pupil.deliver(f"cheap w{number}", "Junk")
    made, bus = work(pupil, tmp_path)
    assert (learn.learn(made), learn.learn(made), bus.woken) == (250, 0, [])
    assert (pupil.totals(), pupil.word("cheap")) == ((0, 250), (0, 250))
    pupil.check()


def test_a_job_whose_time_is_up_asks_for_the_next(pupil: Pupil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pupil.deliver("cheap", "Junk")
    made, bus = work(pupil, tmp_path)
    monkeypatch.setattr(learn, "RUN_SECONDS", -1.0)
    assert (made.learn(), bus.woken) == (0, ["learn"])


def test_a_content_that_is_gone_is_told_and_the_others_are_learnt(pupil: Pupil, tmp_path: Path):
    lost = pupil.deliver("x" * (IN_ROW_MAX + 1))
    pupil.deliver("cheap", "Junk")
    pupil.flag("Inbox", lost, add=JUNK)
    with pupil.store.write() as tx:
        tx.exec_driver_sql(f"DELETE FROM blob_content WHERE length(octets) > {IN_ROW_MAX}")
        tx.exec_driver_sql("UPDATE blob SET folder = 'gone' WHERE id NOT IN (SELECT blob_id FROM blob_content)")
    made, _ = work(pupil, tmp_path)
    assert (made.learn(), pupil.totals()) == (1, (0, 1))
    assert "learn-unreadable" in (tmp_path / "log").read_text()
