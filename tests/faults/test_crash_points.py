"""The keeper dies at each point of its sequence, c1 to c10, with one, eight and 64 messages at once."""

from pathlib import Path

import pytest

from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults

POINTS = ("c1", "c2", "c4", "c5", "c6", "c7", "c8", "c10")
# Small ones live in rows and pass c1, c7, c8, c10 only; large ones pass all.
LARGE = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> KeeperFolder:
    return KeeperFolder.make(Path(tmp_path_factory.mktemp("k")))


@pytest.mark.parametrize("size", [2000, LARGE], ids=["in its row", "in a file"])
@pytest.mark.parametrize("at_once", [1, 8, 64])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_loses_nothing_that_was_acknowledged(folder: KeeperFolder, point: str, at_once: int, size: int) -> None:
    passed = size == LARGE or point in ("c1", "c7", "c8", "c10")
    name = f"{point}-{at_once}-{size}"
    with folder.running(CRASH_AT=point, CRASH_AFTER="2" if at_once == 1 else "1") as keeper:
        folder.deliver_many(name, 3 * at_once, at_once, size)
        if passed:
            assert keeper.wait(20) == 137, "the crash point was never passed"
    with folder.running():
        assert folder.deliver_one(name + "-after", size)
    assert folder.check() > 0
