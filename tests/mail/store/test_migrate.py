from collections.abc import Callable

import pytest
from sqlalchemy import inspect, text

from mail.errors import WrongVersion
from mail.store import migrate, revision
from mail.store.engine import APPLICATION_ID, Store
from mail.store.schema import metadata, sts_policy, tls_result


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


def test_a_database_of_the_first_release_gets_what_came_since(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        for table in (sts_policy, tls_result):
            table.drop(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(WrongVersion, match="mailctl migrate"):
        revision.check(store)
    migrate.upgrade(store)
    revision.check(store)
    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) >= {"sts_policy", "tls_result"}
