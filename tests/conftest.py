"""What many tests need: a store on each database engine, a Redis, a clock that stands.

A test that takes `store` runs twice, on SQLite and on PostgreSQL; without PostgreSQL its second run is skipped and says
so. Each test has its own SQLite file; PostgreSQL is one private cluster for the run (for each worker of xdist), emptied
after each test.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from mail.now import SetClock
from mail.store import migrate
from mail.store.engine import Store
from mail.store.schema import metadata
from tests import postgresql
from tests.redis_server import RedisServer, running_redis

ENGINES = ("sqlite", "postgresql")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[Path]:
    """The socket folder of the run's cluster."""
    bin_folder = postgresql.binaries()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql.running_cluster(bin_folder) as folder:
        yield folder


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_folder: Path) -> str:
    """A database with our schema, which `store` empties after each test."""
    postgresql.run_alone(postgresql_folder, "CREATE DATABASE tests")
    url = postgresql.url(postgresql_folder, "tests")
    _migrate(url, lock=None)
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with our schema and nothing in it; tests copy it."""
    path = tmp_path_factory.mktemp("template") / "core.db"
    _migrate(f"sqlite:///{path}", lock=path.with_suffix(".lock"))
    return path


def _migrate(url: str, lock: Path | None) -> None:
    store = Store.open(url, lock=lock, checkpointer=True)
    try:
        migrate.upgrade(store)
        store.checkpoint("TRUNCATE")
    finally:
        store.close()


@pytest.fixture
def sqlite_store(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    """A store on its own file, `tmp_path / "core.db"`."""
    shutil.copy(migrated_sqlite, tmp_path / "core.db")
    store = Store.open(f"sqlite:///{tmp_path}/core.db", lock=tmp_path / "core.lock")
    yield store
    store.close()


@pytest.fixture
def postgresql_store(migrated_postgresql: str) -> Iterator[Store]:
    store = Store.open(migrated_postgresql, lock=None)
    yield store
    with store.write() as connection:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    store.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store with our schema, on one engine after the other."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture(params=ENGINES)
def open_empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open one and the same database without any schema, as often as called."""
    if request.param == "sqlite":
        url, lock = f"sqlite:///{tmp_path}/core.db", tmp_path / "core.lock"
        yield from _openings(url, lock)
        return
    folder = request.getfixturevalue("postgresql_folder")
    name = f"empty_{uuid.uuid4().hex}"
    postgresql.run_alone(folder, f"CREATE DATABASE {name}")
    yield from _openings(postgresql.url(folder, name), None)
    postgresql.run_alone(folder, f"DROP DATABASE {name}")


def _openings(url: str, lock: Path | None) -> Iterator[Callable[[], Store]]:
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(Store.open(url, lock=lock))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A private Redis the test may stop and start."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with running_redis() as server:
        yield server
