"""Logins on a real auth.db and a routing snapshot with one account, `ann`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from listeners.auth.logins import Logins
from mail.accounts import passwords
from mail.accounts.failures import Failures
from mail.accounts.routing import AccountRule, AddressRule, DomainRule, Tables
from mail.accounts.snapshot import Routing, write
from mail.metrics import Metrics
from mail.now import SetClock
from mail.store.engine import Store
from mail.store.secrets import Secrets

PASSWORD = "correct horse"
MADE = passwords.verifiers(PASSWORD)


def tables(*, disabled: str = "") -> Tables:
    return Tables.build(
        [DomainRule("x.org", False, "+", False)],
        [AccountRule(7, "ann", disabled), AccountRule(8, "empty", "")],
        [AddressRule(7, "x.org", "ann", "ann", "Inbox"), AddressRule(8, "x.org", "empty", "empty", "Inbox")],
    )


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Secrets]:
    store = Store.open(f"sqlite:///{tmp_path}/auth.db", lock=tmp_path / "auth.lock", checkpointer=True)
    secrets = Secrets(store)
    secrets.prepare()
    secrets.set_password(7, MADE, 1)
    yield secrets
    store.close()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "routing.json"
    write(path, tables())
    return path


@pytest.fixture
def logins(kept: Secrets, snapshot: Path, clock: SetClock) -> Iterator[Logins]:
    made = Logins(
        kept,
        Routing(snapshot, clock=clock),
        Failures(clock),
        ticket_key=b"k" * 32,
        clock=clock,
        metrics=Metrics(),
    )
    yield made
    made.stop()
