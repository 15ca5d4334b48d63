"""The keeper's own routing tables: read from the database when they changed, written out for everyone else."""

import threading
from dataclasses import replace
from pathlib import Path

from mail.accounts import routing
from mail.accounts.routing import AccountRule, AddressRule, DomainRule, Tables
from mail.log import Log
from mail.store import accounts
from mail.store.engine import Store


class RoutingTables:
    """`current` is always a whole snapshot; `reload` replaces it and the file when anything differs."""

    def __init__(self, store: Store, path: Path, *, default_account: str, hostname: str, log: Log) -> None:
        self._store = store
        self._path = path
        self._default_account = default_account
        self._hostname = hostname
        self._log = log
        self._lock = threading.Lock()
        self.current = Tables.build((), (), ())

    def reload(self, *, force: bool = False) -> int:
        """Read the database; returns the generation. Blocks: not for the event loop."""
        with self._lock:
            with self._store.read() as connection:
                domains = [
                    DomainRule(one.name, one.disabled, one.catchall_separators, one.localpart_case_sensitive)
                    for one in accounts.list_domains(connection)
                ]
                owners = [
                    AccountRule(one.id, one.name, one.login_disabled) for one in accounts.list_accounts(connection)
                ]
                addresses = [
                    AddressRule(one.account_id, one.domain, one.localpart, one.written, one.mailbox)
                    for one in accounts.list_addresses(connection)
                ]
            read = Tables.build(
                domains,
                owners,
                addresses,
                default_account=self._default_account,
                hostname=self._hostname,
                generation=self.current.generation,
            )
            if force or read != self.current:
                made = replace(read, generation=read.generation + 1)
                routing.write(self._path, made)
                self.current = made
                self._log.info("routing-written", generation=made.generation, addresses=len(made.addresses))
            return self.current.generation
