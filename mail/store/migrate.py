"""Bringing the schema to this release.

Migrations run in one transaction from one place (`mailctl migrate`, `./serve`, the release role), never when a program
starts: a program only checks (`mail.store.revision`).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from mail.store.engine import APPLICATION_ID, Store
from mail.store.revision import NEWEST, check, newer, revision_of

__all__ = ["check", "newest_script", "upgrade"]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest_script() -> str | None:
    """The newest migration there is a file of; a test holds NEWEST to it."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(store: Store) -> None:
    """Make or upgrade the schema. WrongVersion, and nothing touched, when the database is newer than this release."""
    with store.write() as connection:
        have = revision_of(connection)
        if have is not None and have > NEWEST:
            raise newer(have)
        if have == NEWEST:
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if store.sqlite:
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version={int(NEWEST)}")
