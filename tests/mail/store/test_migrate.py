from collections.abc import Callable

import pytest
from sqlalchemy import inspect, text

from mail.errors import WrongVersion
from mail.store import migrate, revision, send_limits
from mail.store.engine import APPLICATION_ID, Store
from mail.store.migrations.versions import v0002_sending
from mail.store.schema import metadata


def test_an_empty_database_is_refused_until_it_is_migrated(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    with pytest.raises(WrongVersion, match="mailctl migrate"):
        revision.check(store)
    migrate.upgrade(store)
    revision.check(store)
    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) >= set(metadata.tables)
        if store.sqlite:
            assert connection.execute(text("PRAGMA application_id")).scalar_one() == APPLICATION_ID


def test_migrating_twice_changes_nothing(open_empty: Callable[[], Store]) -> None:
    migrate.upgrade(open_empty())
    migrate.upgrade(open_empty())
    revision.check(open_empty())


def test_a_newer_schema_is_refused_and_left_alone(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (revision.check, migrate.upgrade):
        with pytest.raises(WrongVersion, match="newer"):
            refuse(store)


def test_the_database_of_an_older_release_gets_what_it_lacks(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        for table in ("sent_total", "sent_recipient"):
            connection.execute(text(f"DROP TABLE {table}"))
        for table, columns in v0002_sending.COLUMNS.items():
            for column, _, _ in columns:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(
            text(
                "INSERT INTO account (name, login_disabled, quota, size, modseq, next_mailbox_id,"
                " next_uidvalidity, incoming, created_at) VALUES ('a', '', 0, 0, 1, 1, 1, '{}', 1)"
            )
        )
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(WrongVersion, match="this release needs"):
        revision.check(store)
    migrate.upgrade(store)
    revision.check(store)
    with store.read() as connection:
        there = inspect(connection)
        for table in metadata.tables.values():
            assert {one["name"] for one in there.get_columns(table.name)} == set(table.columns.keys())
        assert send_limits.standing(connection, 1, 1)[0].messages == 1000
