"""The snapshot of the routing tables as a file: the keeper writes it whenever accounts, addresses, aliases or domains
change; every listener looks at its time of change at most once a second.

It reveals addresses, nothing else, so that the processes that talk to strangers need no database.
"""

import os
from pathlib import Path

import orjson

from mail.accounts.routing import Answer, DomainRule, Tables
from mail.address import Address
from mail.errors import Unavailable
from mail.now import Clock

LOOK_SECONDS = 1.0


def write(path: Path, tables: Tables) -> None:
    """Replace the snapshot in one step. It is derived, so it is not synced: the keeper writes it anew at its start."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(orjson.dumps(tables.as_json()))
    os.chmod(part, 0o644)
    part.replace(path)


class Routing:
    """The snapshot as one process sees it, never older than a second."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._looked = -LOOK_SECONDS
        self._seen: tuple[int, int] | None = None
        self._tables: Tables | None = None

    @property
    def tables(self) -> Tables:
        """Unavailable until the keeper has written the first one."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        if self._tables is None:
            # Not there yet: look again at once the next time.
            self._looked = -LOOK_SECONDS
            raise Unavailable(f"no routing snapshot at {self._path}")
        return self._tables

    def _look(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._tables = Tables.from_json(orjson.loads(self._path.read_bytes()))
            self._seen = seen

    def refresh(self) -> None:
        """Look now, whatever the second says."""
        self._looked = -LOOK_SECONDS

    def lookup(self, address: Address) -> Answer:
        return self.tables.lookup(address)

    def is_local(self, domain: str) -> bool:
        """Do we take mail for that domain at all: for our own name, postmaster's."""
        tables = self.tables
        return domain in tables.domains or domain == tables.hostname or tables.default_account is not None

    def domain(self, name: str) -> DomainRule | None:
        return self.tables.domains.get(name)

    def owns(self, account_id: int, address: Address) -> bool:
        return self.tables.owns(account_id, address)

    def account_for_login(self, login: str) -> tuple[int, str] | None:
        return self.tables.account_for_login(login)

    def login_disabled(self, account_id: int) -> str:
        """The administrator's message; empty when the login is allowed."""
        rule = self.tables.accounts.get(account_id)
        return rule.login_disabled if rule else ""
