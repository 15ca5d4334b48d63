"""The keeper dies at each point of its sequence, c1 to c10, with one, eight and 64 messages at once.

The points are those of `listeners/keeper/crash.py`. Every start after a crash is the recovery from it, so one run works
on one folder from the first crash to the last.
"""

from pathlib import Path

import pytest

from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults

# Small messages live in rows and pass no point of a file.
EVERY_BATCH = ("c1", "c7", "c8", "c9", "c10")
FILES_ONLY = ("c2", "c3", "c4", "c5", "c6")
SMALL, LARGE = 2000, 20_000


@pytest.mark.parametrize("point", sorted((*EVERY_BATCH, *FILES_ONLY), key=lambda name: int(name[1:])))
def test_a_crash_loses_nothing_that_was_acknowledged(tmp_path: Path, point: str) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    crashes = 0
    for at_once in (1, 8, 64):
        for size in (SMALL, LARGE) if point in EVERY_BATCH else (LARGE,):
            # The second time, so that one batch is acknowledged before.
            with folder.running(CRASH_AT=point, CRASH_AFTER="2") as keeper:
                folder.deliver_many(f"{at_once}-{size}", 3 * at_once, at_once, size, until_refused=True)
                assert keeper.wait(20) == 137, "the crash point was never passed"
            crashes += 1
            assert folder.check() > 0
    with folder.running():
        assert all(folder.deliver_many("after", 2, 1, SMALL) + folder.deliver_many("after, too", 2, 1, LARGE))
    print(f"{point}: crashes {crashes}, acknowledged {folder.check()}")
