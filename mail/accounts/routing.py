"""Who takes mail for an address: the snapshot of domains and addresses that every listener reads.

The keeper writes it whenever accounts, addresses or domains change; the others look at its time of change at most once
a second. It reveals addresses, nothing else, so that the processes that talk to strangers need no database.

Order of the look-up: the address; the address cut at each separator of its domain in turn; the domain's catchall; for
postmaster (RFC 5321 §4.5.1), at the host's own name too, whoever has postmaster at some domain, else the first account;
in the local bundle the default account; nobody.
"""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mail.address import Address, canonical, parse_address
from mail.errors import BadAddress, Unavailable
from mail.now import Clock

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    account_id: int
    account: str
    mailbox: str
    address: str


@dataclass(frozen=True, slots=True)
class DomainRule:
    name: str
    disabled: bool
    separators: str
    case_sensitive: bool


@dataclass(frozen=True, slots=True)
class AccountRule:
    id: int
    name: str
    login_disabled: str


@dataclass(frozen=True, slots=True)
class AddressRule:
    account_id: int
    domain: str
    localpart: str
    written: str
    mailbox: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The snapshot, looked into."""

    domains: dict[str, DomainRule]
    accounts: dict[int, AccountRule]
    addresses: dict[tuple[str, str], AddressRule]
    by_name: dict[str, int]
    default_account: int | None
    hostname: str
    generation: int

    @classmethod
    def build(
        cls,
        domains: Iterable[DomainRule],
        accounts: Iterable[AccountRule],
        addresses: Iterable[AddressRule],
        *,
        default_account: str = "",
        hostname: str = "",
        generation: int = 0,
    ) -> "Tables":
        """`default_account` takes the local bundle's mail for unknown recipients. Postmaster is at `hostname` too."""
        by_id = {one.id: one for one in accounts}
        by_name = {one.name: one.id for one in by_id.values()}
        found = {(one.domain, one.localpart): one for one in addresses}
        default = by_name.get(default_account) if default_account else None
        return cls({one.name: one for one in domains}, by_id, found, by_name, default, hostname, generation)

    def lookup(self, address: Address) -> Route | None:
        """Where mail for the address goes; None when we do not take it."""
        rule = self.domains.get(address.domain)
        found = (self._exact(address, rule) or self.addresses.get((rule.name, ""))) if rule else None
        if found is not None:
            return self._route(found, address)
        if address.localpart.lower() == "postmaster" and (rule is not None or address.domain == self.hostname):
            return self._postmaster(address)
        return self._default(address)

    def _exact(self, address: Address, rule: DomainRule) -> AddressRule | None:
        # Postmaster's case never matters.
        case_sensitive = rule.case_sensitive and address.localpart.lower() != "postmaster"
        for separators in ("", rule.separators):
            wanted = canonical(address.localpart, separators=separators, case_sensitive=case_sensitive)
            found = self.addresses.get((rule.name, wanted)) if wanted else None
            if found is not None:
                return found
        return None

    def _postmaster(self, address: Address) -> Route | None:
        elsewhere = next((one for one in self.addresses.values() if one.localpart == "postmaster"), None)
        if elsewhere is not None:
            return self._route(elsewhere, address)
        first = min(self.accounts, default=None)
        return Route(first, self.accounts[first].name, "Inbox", str(address)) if first is not None else None

    def _default(self, address: Address) -> Route | None:
        if self.default_account is None:
            return None
        return Route(self.default_account, self.accounts[self.default_account].name, "Inbox", str(address))

    def _route(self, rule: AddressRule, address: Address) -> Route | None:
        owner = self.accounts.get(rule.account_id)
        if owner is None:
            return None
        written = str(Address(rule.written, rule.domain)) if rule.written else str(address)
        return Route(owner.id, owner.name, rule.mailbox, written)

    def owns(self, account_id: int, address: Address) -> bool:
        """May this account send as the address: one of its own, a part behind a separator or its catchall included."""
        rule = self.domains.get(address.domain)
        if rule is None:
            return False
        found = self._exact(address, rule) or self.addresses.get((rule.name, ""))
        return found is not None and found.account_id == account_id

    def account_for_login(self, login: str) -> tuple[int, str] | None:
        """(account id, name) for an address or an account's own name; None when there is none. NFC is applied here."""
        wanted = unicodedata.normalize("NFC", login)
        if "@" in wanted:
            try:
                address = parse_address(wanted)
            except BadAddress:
                return None
            rule = self.domains.get(address.domain)
            found = self._exact(address, rule) if rule else None
            owner = self.accounts.get(found.account_id) if found else None
        else:
            owner = self.accounts.get(self.by_name.get(wanted, -1))
        return (owner.id, owner.name) if owner else None

    def as_json(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "hostname": self.hostname,
            "default_account": self.accounts[self.default_account].name if self.default_account is not None else "",
            "domains": [[one.name, one.disabled, one.separators, one.case_sensitive] for one in self.domains.values()],
            "accounts": [[one.id, one.name, one.login_disabled] for one in self.accounts.values()],
            "addresses": [
                [one.account_id, one.domain, one.localpart, one.written, one.mailbox] for one in self.addresses.values()
            ],
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Tables":
        return cls.build(
            (DomainRule(*row) for row in fields["domains"]),
            (AccountRule(*row) for row in fields["accounts"]),
            (AddressRule(*row) for row in fields["addresses"]),
            default_account=fields["default_account"],
            hostname=fields.get("hostname", ""),
            generation=fields["generation"],
        )


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

    def lookup(self, address: Address) -> Route | None:
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
