"""The keeper alone, killed again and again while it commits: nothing acknowledged is lost.

`test_storm.py` kills every process of a bundle; here each kill falls into a batch.
"""

import random
import signal
import threading
from pathlib import Path

import pytest

from tests.bundle import kill
from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults

CLIENTS, SMALL, LARGE = 8, 2000, 20_000


def storm(folder: KeeperFolder, kills: int) -> None:
    chance = random.Random(kills)
    for number in range(kills):
        with folder.running() as keeper:
            # The moment of the kill is the experiment.
            killer = threading.Timer(chance.uniform(0.005, 0.25), kill, (keeper.pid, signal.SIGKILL))
            killer.start()
            folder.deliver_many(f"{number}", 10_000, CLIENTS, chance.choice((SMALL, LARGE)), until_refused=True)
            killer.join()
            assert keeper.wait(10) == -signal.SIGKILL
        if number % 10 == 9:
            folder.check()
    print(f"kills {kills}, acknowledged {folder.check()}, present {len(folder.present())}")


def test_nothing_acknowledged_is_lost_when_the_keeper_is_killed_in_its_batches(tmp_path: Path) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    storm(folder, 30)
    assert len(folder.ledger.entries) > 30


@pytest.mark.long
def test_nothing_acknowledged_is_lost_in_a_thousand_kills_of_the_keeper(tmp_path: Path) -> None:
    storm(KeeperFolder.make(tmp_path / "k"), 1000)
