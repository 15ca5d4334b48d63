from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.now import SetClock
from mail.store.engine import Store
from tests.keeper_office import Office


@pytest.fixture
async def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    """A keeper that is at work; who wants to begin it later, or to set it up first, makes another."""
    made = Office(store, tmp_path, clock)
    made.start()
    yield made
    made.close()
