from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.now import SetClock
from mail.store.engine import Store
from tests.post_office import PostOffice, open_post_office


@pytest.fixture
def office(sqlite_store: Store, tmp_path: Path, clock: SetClock) -> Iterator[PostOffice]:
    with open_post_office(sqlite_store, tmp_path, clock) as made:
        yield made


@pytest.fixture
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of deliveries ends with its last message, and keeps no connection for one that may come."""
    monkeypatch.setattr("workers.dispatch.LINGER_SECONDS", 0.0)
    monkeypatch.setattr("workers.connections.LINGER_SECONDS", 0.0)
