"""The keeper's own tables, read from the database when they changed: routing, which is written out for everyone else,
and what accounts want done with arriving mail, which is not.
"""

import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from mail.accounts import snapshot
from mail.accounts.routing import AccountRule, AddressRule, DomainRule, Tables
from mail.errors import Invalid
from mail.log import Log
from mail.policy.account_rules import AccountRules, parse_rules
from mail.policy.rulesets import Ruleset, parse_ruleset
from mail.store import accounts, aliases, dkim_keys, incoming
from mail.store.engine import Store

_DEFAULT_RULES = AccountRules()
# Few accounts have rules of their own, and many of those the same.
_parsed = lru_cache(maxsize=10_000)(parse_rules)
_ruleset = lru_cache(maxsize=10_000)(parse_ruleset)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What accounts want done with arriving mail, as it was when the tables were last read."""

    rules: dict[int, AccountRules] = field(default_factory=dict)
    rulesets: dict[tuple[int, str, str], tuple[Ruleset, ...]] = field(default_factory=dict)

    def rules_of(self, account_id: int) -> AccountRules:
        return self.rules.get(account_id, _DEFAULT_RULES)

    def rulesets_of(self, account_id: int, domain: str, localpart: str) -> tuple[Ruleset, ...]:
        """An address's rulesets in order; `localpart` is canonical, empty for the catchall."""
        return self.rulesets.get((account_id, domain, localpart), ())


class RoutingTables:
    """`current` and `incoming` are always whole; `reload` replaces them, and the file when anything in it differs."""

    def __init__(self, store: Store, path: Path, *, default_account: str, hostname: str, log: Log) -> None:
        self._store = store
        self._path = path
        self._default_account = default_account
        self._hostname = hostname
        self._log = log
        self._lock = threading.Lock()
        self.current = Tables.build((), (), ())
        self.incoming = Incoming()

    def reload(self, *, force: bool = False) -> int:
        """Read the database; returns the generation. Blocks: not for the event loop."""
        with self._lock:
            read = self._read()
            if force or read != self.current:
                made = replace(read, generation=read.generation + 1)
                snapshot.write(self._path, made)
                self.current = made
                self._log.info(
                    "routing-written",
                    generation=made.generation,
                    addresses=len(made.addresses),
                    aliases=len(made.aliases),
                )
            return self.current.generation

    def _read(self) -> Tables:
        with self._store.read() as connection:
            domains = accounts.list_domains(connection)
            selectors = dkim_keys.signing(connection)
            owners = accounts.list_accounts(connection)
            addresses = accounts.list_addresses(connection)
            listed = aliases.list_aliases(connection)
            rules = incoming.all_rules(connection)
            rulesets = incoming.list_rulesets(connection)
        self.incoming = Incoming(
            {one: self._rules(one, text) for one, text in rules.items()}, self._by_address(rulesets)
        )
        return Tables.build(
            (
                DomainRule(
                    one.name,
                    one.disabled,
                    one.catchall_separators,
                    one.localpart_case_sensitive,
                    selectors.get(one.name, ()),
                )
                for one in domains
            ),
            (AccountRule(one.id, one.name, one.login_disabled) for one in owners),
            (
                AddressRule(
                    one.account_id,
                    one.domain,
                    one.localpart,
                    one.written,
                    one.mailbox,
                    one.kind,
                    one.smtp_error,
                    one.auth_required,
                )
                for one in addresses
            ),
            listed,
            default_account=self._default_account,
            hostname=self._hostname,
            generation=self.current.generation,
        )

    def _rules(self, account_id: int, text: str) -> AccountRules:
        try:
            return _parsed(text)
        except Invalid as error:
            # What is stored was checked; a newer or older program wrote this.
            self._log.error("account-rules-unknown", exc=error, account=account_id)
            return _DEFAULT_RULES

    def _by_address(self, rows: list[incoming.RulesetRow]) -> dict[tuple[int, str, str], tuple[Ruleset, ...]]:
        found: dict[tuple[int, str, str], list[Ruleset]] = {}
        for one in rows:
            try:
                parsed = _ruleset(one.rule)
            except Invalid as error:
                self._log.error("ruleset-unknown", exc=error, address=one.address, ruleset=one.id)
                continue
            place = (one.account_id, one.domain, one.localpart)
            found.setdefault(place, []).append(replace(parsed, ruleset_id=one.id))
        return {place: tuple(rulesets) for place, rulesets in found.items()}
