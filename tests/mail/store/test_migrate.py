from collections.abc import Callable

import pytest
from sqlalchemy import inspect, text

from mail.errors import WrongVersion
from mail.store import migrate, revision, send_limits, traces
from mail.store.engine import APPLICATION_ID, Store
from mail.store.migrations.versions import v0003_sending
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


def test_a_database_of_the_third_schema_gets_the_tables_of_outbound_tls(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        for table in (sts_policy, tls_result):
            table.drop(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    with pytest.raises(WrongVersion, match="mailctl migrate"):
        revision.check(store)
    migrate.upgrade(store)
    revision.check(store)
    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) >= {"sts_policy", "tls_result"}


# What an early database lacked, and what it had that is gone.
EARLY = (
    *("DROP INDEX trace_by_recipient", "DROP INDEX trace_by_sender", "DROP INDEX trace_by_account"),
    *("DROP INDEX trace_by_reason", "DROP INDEX trace_by_rcpt_key", "DROP INDEX trace_by_sender_key"),
    *("DROP INDEX ix_dmarc_evaluation_at", "DROP INDEX message_by_modseq", "DROP INDEX blob_by_message_id"),
    *("ALTER TABLE trace DROP COLUMN rcpt_key", "ALTER TABLE trace DROP COLUMN sender_key"),
    "ALTER TABLE queue_message DROP COLUMN return_to",
    "ALTER TABLE address DROP COLUMN kind",
    "DROP TABLE ruleset",
    *("DROP INDEX arrival_pending", "CREATE INDEX arrival_pending ON arrival (account_id) WHERE pending"),
    "CREATE INDEX ix_trace_rcpt_to ON trace (rcpt_to)",
    "CREATE INDEX ix_trace_queue_recipient_id ON trace (queue_recipient_id)",
    "INSERT INTO domain (id, name, disabled, catchall_separators, localpart_case_sensitive, created_at)"
    " VALUES (1, 'a.example', false, '+', false, 1)",
    *(
        "INSERT INTO trace (id, at, cid, direction, mail_from, rcpt_to, message_id, blob_id, verdict, reason, detail)"
        f" VALUES ({number}, {number}, 'c', 'in', 'x@far.example', '{rcpt_to}', '', '', 'accepted', 'r', '{{}}')"
        for number, rcpt_to in enumerate(("Ann@a.example", "ann+tag@a.example", "bob+x@a.example"), 1)
    ),
    "UPDATE alembic_version SET version_num = '0001'",
)


def shape(store: Store) -> tuple[dict[str, set[str]], set[str]]:
    """Columns by table, and the indices as the database has them."""
    with store.read() as connection:
        inspector = inspect(connection)
        columns = {
            table: {one["name"] for one in inspector.get_columns(table)} for table in inspector.get_table_names()
        }
        wanted = (
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            if store.sqlite
            else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
        )
        return columns, set(connection.execute(text(wanted)).scalars())


def test_an_early_database_becomes_as_a_new_one(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    new = shape(store)
    with store.write() as connection:
        for statement in EARLY:
            connection.execute(text(statement))
    assert shape(store) != new
    migrate.upgrade(store)
    revision.check(store)
    assert shape(store) == new
    with store.read() as connection:
        assert [row.id for row in traces.find(connection, address="ann@a.example")] == [2, 1]
        assert [row.id for row in traces.find(connection, address="ann+tag@a.example")] == [2]


def test_the_newest_migration_is_the_one_programs_look_for() -> None:
    assert migrate.newest_script() == revision.NEWEST


def test_the_database_of_an_older_release_gets_what_it_lacks(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        for table in ("sent_total", "sent_recipient"):
            connection.execute(text(f"DROP TABLE {table}"))
        for table, columns in v0003_sending.COLUMNS.items():
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


def test_a_database_of_the_first_release_gets_what_came_later(open_empty: Callable[[], Store]) -> None:
    store = open_empty()
    migrate.upgrade(store)
    with store.write() as connection:
        connection.execute(text("DROP TABLE dkim_key"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(WrongVersion, match="mailctl migrate"):
        revision.check(store)
    migrate.upgrade(store)
    revision.check(store)
    with store.read() as connection:
        assert inspect(connection).has_table("dkim_key")
        assert [one["name"] for one in inspect(connection).get_indexes("dkim_key")] == ["dkim_selector_once"]
