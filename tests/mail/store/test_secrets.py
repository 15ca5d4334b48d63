from collections.abc import Iterator
from pathlib import Path

import pytest

from mail.accounts.passwords import Verifiers
from mail.errors import WrongVersion
from mail.store.engine import Store
from mail.store.secrets import ADMIN, Secrets, SessionRow

MADE = Verifiers("$argon2id$x", b"salt", 100_000, b"stored", b"server")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/auth.db", lock=tmp_path / "auth.lock", checkpointer=True)
    yield opened
    opened.close()


@pytest.fixture
def kept(store: Store) -> Secrets:
    secrets = Secrets(store)
    secrets.prepare()
    return secrets


def test_the_tables_are_made_once_and_a_newer_file_is_left_alone(store: Store, kept: Secrets) -> None:
    kept.set_password(7, MADE, 1)
    kept.prepare()
    assert kept.verifiers(7) == MADE
    with store.write() as tx:
        tx.exec_driver_sql("PRAGMA user_version=99")
    with pytest.raises(WrongVersion, match="99"):
        kept.prepare()


def test_a_new_password_replaces_the_old_one_and_ends_the_accounts_sessions(kept: Secrets) -> None:
    kept.set_password(7, MADE, 1)
    for account, token in ((7, b"a"), (8, b"b")):
        kept.open_session(token, SessionRow(account, False, 1, 1, 10))
    kept.set_password(7, Verifiers("$argon2id$y", b"2", 1, b"3", b"4"), 2)
    assert kept.verifiers(7) == Verifiers("$argon2id$y", b"2", 1, b"3", b"4")
    assert kept.session(b"a") is None
    assert kept.session(b"b") == SessionRow(8, False, 1, 1, 10)


def test_a_rehash_leaves_sessions_and_scram_alone(kept: Secrets) -> None:
    kept.set_password(7, MADE, 1)
    kept.open_session(b"a", SessionRow(7, False, 1, 1, 10))
    kept.rehash(7, "$argon2id$z")
    found = kept.verifiers(7)
    assert found is not None and (found.argon2, found.scram_stored_key) == ("$argon2id$z", b"stored")
    assert kept.session(b"a") is not None


def test_an_account_leaves_nothing(kept: Secrets) -> None:
    kept.set_password(7, MADE, 1)
    kept.open_session(b"a", SessionRow(7, False, 1, 1, 10))
    kept.remove_account(7)
    assert kept.verifiers(7) is None
    assert kept.session(b"a") is None


def test_a_session_is_used_closed_and_removed_when_its_time_is_over(kept: Secrets) -> None:
    kept.open_session(b"a", SessionRow(ADMIN, True, 1, 1, 10))
    kept.use_session(b"a", 5)
    assert kept.session(b"a") == SessionRow(ADMIN, True, 1, 5, 10)
    kept.open_session(b"b", SessionRow(7, False, 11, 11, 20))
    assert kept.session(b"a") is None
    kept.close_session(b"b")
    assert kept.session(b"b") is None


def test_a_secret_made_once_stays(kept: Secrets) -> None:
    assert kept.kept("salt", b"one") == b"one"
    assert kept.kept("salt", b"two") == b"one"


def test_failures_are_of_today_only(kept: Secrets) -> None:
    kept.save_failures({})
    kept.save_failures({"192.0.2.1/32": (5, 3), "192.0.2.0/26": (4, 9)})
    kept.save_failures({"192.0.2.1/32": (5, 7)})
    assert kept.load_failures(5) == {"192.0.2.1/32": (5, 7)}
    assert kept.load_failures(6) == {}
