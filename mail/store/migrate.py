"""Bringing the schema to this release, and refusing to work on any other.

Migrations run in one transaction from one place (`mailctl migrate`, `./serve`, the release role), never when a program
starts: a program only checks.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mail.errors import WrongVersion
from mail.store.engine import APPLICATION_ID, Store


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str:
    """The revision this release works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store) -> None:
    """Make or upgrade the schema. WrongVersion, and nothing touched, when the database is newer than this release."""
    with store.write() as connection:
        have = revision_of(connection)
        if have is not None and have > newest():
            raise WrongVersion(public=_newer(have))
        if have == newest():
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if store.sqlite:
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version={int(newest())}")


def check(store: Store) -> None:
    """WrongVersion unless the schema is exactly this release's. Every program calls it before it serves."""
    with store.read() as connection:
        have = revision_of(connection)
    if have is None:
        raise WrongVersion(public="the database is empty: run `mailctl migrate` first")
    if have > newest():
        raise WrongVersion(public=_newer(have))
    if have < newest():
        words = f"the database schema is {have}, this release needs {newest()}: run `mailctl migrate`"
        raise WrongVersion(public=words)


def _newer(have: str) -> str:
    return f"the database schema is {have}, newer than this release's {newest()}: install the newer release"
