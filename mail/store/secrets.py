"""auth.db: what proves who somebody is. Only the auth process opens it.

The same discipline as core.db (`mail.store.engine`), a file of its own because file permissions cannot divide a
database. No password is in it, nothing from which one can be had but by guessing, and no token: only hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from mail.accounts.passwords import Verifiers
from mail.errors import WrongVersion
from mail.store.engine import Store

VERSION = 1

metadata = MetaData()

# kind: password, or app for an app password with its label and scopes; account 0 is the administrator.
credential = Table(
    "credential",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False, default=""),
    Column("scopes", Text, nullable=False, default="", doc="space-separated services; empty: all"),
    Column("argon2", Text, nullable=False),
    Column("scram_salt", LargeBinary, nullable=False),
    Column("scram_iterations", Integer, nullable=False),
    Column("scram_stored_key", LargeBinary, nullable=False),
    Column("scram_server_key", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

web_session = Table(
    "web_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, doc="SHA-256 of the 256-bit token"),
    Column("account_id", BigInteger, nullable=False, index=True, doc="0: the administrator"),
    Column("admin", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

failure = Table(
    "failure",
    metadata,
    Column("network", Text, primary_key=True),
    Column("day", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
)

# Random values made once, by name: the key of the salts unknown users seem to have.
kept_secret = Table(
    "kept_secret", metadata, Column("name", Text, primary_key=True), Column("value", LargeBinary, nullable=False)
)

ADMIN = 0
PASSWORD_ID = 1


@dataclass(frozen=True, slots=True)
class SessionRow:
    account_id: int
    admin: bool
    created_at: int
    used_at: int
    expires_at: int


class Secrets:
    """auth.db, opened. Every method is one transaction; none is for an event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def prepare(self) -> None:
        """Make the tables of an empty file. WrongVersion for one that a newer release made."""
        with self._store.write() as tx:
            have = tx.exec_driver_sql("PRAGMA user_version").scalar_one()
            if have > VERSION:
                raise WrongVersion(public=f"auth.db has version {have}, newer than this release's {VERSION}")
            if have < VERSION:
                metadata.create_all(tx)
                tx.exec_driver_sql(f"PRAGMA user_version={VERSION}")

    def kept(self, name: str, make: bytes) -> bytes:
        """The secret of that name; `make` becomes it when there is none."""
        with self._store.write() as tx:
            tx.execute(upsert(kept_secret).on_conflict_do_nothing(), {"name": name, "value": make})
            return bytes(tx.execute(select(kept_secret.c.value).where(kept_secret.c.name == name)).scalar_one())

    def verifiers(self, account_id: int) -> Verifiers | None:
        """Those of the account's password; None when it has none."""
        wanted = select(
            credential.c.argon2,
            credential.c.scram_salt,
            credential.c.scram_iterations,
            credential.c.scram_stored_key,
            credential.c.scram_server_key,
        ).where(credential.c.account_id == account_id, credential.c.id == PASSWORD_ID)
        with self._store.read() as connection:
            values = connection.execute(wanted).first()
        return Verifiers(*values) if values else None

    def set_password(self, account_id: int, made: Verifiers, now: int) -> None:
        """Replace the password and end every web session of the account."""
        values: dict[str, Any] = {
            "account_id": account_id,
            "id": PASSWORD_ID,
            "kind": "password",
            "argon2": made.argon2,
            "scram_salt": made.scram_salt,
            "scram_iterations": made.scram_iterations,
            "scram_stored_key": made.scram_stored_key,
            "scram_server_key": made.scram_server_key,
            "created_at": now,
        }
        with self._store.write() as tx:
            whose = (credential.c.account_id == account_id) & (credential.c.id == PASSWORD_ID)
            tx.execute(delete(credential).where(whose))
            tx.execute(insert(credential), values)
            tx.execute(delete(web_session).where(web_session.c.account_id == account_id))

    def rehash(self, account_id: int, argon2: str) -> None:
        """The same password under newer parameters: sessions stay."""
        whose = (credential.c.account_id == account_id) & (credential.c.id == PASSWORD_ID)
        with self._store.write() as tx:
            tx.execute(update(credential).where(whose).values(argon2=argon2))

    def remove_account(self, account_id: int) -> None:
        with self._store.write() as tx:
            tx.execute(delete(credential).where(credential.c.account_id == account_id))
            tx.execute(delete(web_session).where(web_session.c.account_id == account_id))

    def open_session(self, token_hash: bytes, row: SessionRow) -> None:
        with self._store.write() as tx:
            tx.execute(delete(web_session).where(web_session.c.expires_at < row.created_at))
            values = {name: getattr(row, name) for name in SessionRow.__dataclass_fields__}
            tx.execute(insert(web_session), {"token_hash": token_hash, **values})

    def session(self, token_hash: bytes) -> SessionRow | None:
        columns = [web_session.c[name] for name in SessionRow.__dataclass_fields__]
        with self._store.read() as connection:
            values = connection.execute(select(*columns).where(web_session.c.token_hash == token_hash)).first()
        return SessionRow(*values) if values else None

    def use_session(self, token_hash: bytes, now: int) -> None:
        with self._store.write() as tx:
            tx.execute(update(web_session).where(web_session.c.token_hash == token_hash).values(used_at=now))

    def close_session(self, token_hash: bytes) -> None:
        with self._store.write() as tx:
            tx.execute(delete(web_session).where(web_session.c.token_hash == token_hash))

    def close_sessions_of(self, account_id: int) -> None:
        with self._store.write() as tx:
            tx.execute(delete(web_session).where(web_session.c.account_id == account_id))

    def save_failures(self, counts: dict[str, tuple[int, int]]) -> None:
        if not counts:
            return
        rows: Sequence[dict[str, object]] = [
            {"network": network, "day": day, "failures": failures} for network, (day, failures) in counts.items()
        ]
        statement = upsert(failure)
        statement = statement.on_conflict_do_update(
            index_elements=[failure.c.network],
            set_={"day": statement.excluded.day, "failures": statement.excluded.failures},
        )
        with self._store.write() as tx:
            tx.execute(statement, rows)

    def load_failures(self, day: int) -> dict[str, tuple[int, int]]:
        """Today's counts; older ones are removed."""
        with self._store.write() as tx:
            tx.execute(delete(failure).where(failure.c.day < day))
            found = tx.execute(select(failure.c.network, failure.c.day, failure.c.failures))
            return {network: (at, failures) for network, at, failures in found}
