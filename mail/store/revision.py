"""Which schema a database has. Every program looks before it serves; `mail.store.migrate` changes it.

Apart from `migrate` because alembic costs a process 11 MB and an eighth of a second.
"""

from sqlalchemy import Connection, inspect

from mail.errors import WrongVersion
from mail.store.engine import APPLICATION_ID, Store

# The newest of mail/store/migrations/versions; numbers are written with four digits, so they compare as text.
NEWEST = "0005"


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None for an empty one. WrongVersion for somebody else's file."""
    if connection.dialect.name == "sqlite":
        application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        if application not in (0, APPLICATION_ID):
            raise WrongVersion(public="the database file is not Mailstead's")
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def newer(have: str) -> WrongVersion:
    words = f"the database schema is {have}, newer than this release's {NEWEST}: install the newer release"
    return WrongVersion(public=words)


def check(store: Store) -> None:
    """WrongVersion unless the schema is exactly this release's."""
    with store.read() as connection:
        have = revision_of(connection)
    if have is None:
        raise WrongVersion(public="the database is empty: run `mailctl migrate` first")
    if have > NEWEST:
        raise newer(have)
    if have < NEWEST:
        words = f"the database schema is {have}, this release needs {NEWEST}: run `mailctl migrate`"
        raise WrongVersion(public=words)
