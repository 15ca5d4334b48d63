"""Who takes mail for an address, who may send as it, who logs in with it: the tables every process looks into.

Order of the look-up (features S08):
1. an address or alias by its whole name, report addresses among them, even where it contains a separator;
2. an address or alias by its name cut at each separator of the domain in turn;
3. for postmaster (RFC 5321 §4.5.1) at the host's own name, the host's postmaster;
4. the domain's catchall;
5. for postmaster at any other domain of ours, the host's postmaster: who has postmaster at the host's own name, else
   the first account;
6. in the local bundle the default account; nobody.
Nothing is folded but case and Unicode's form NFC: a Cyrillic look-alike is another name.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mail.address import Address, canonical, parse_address
from mail.errors import BadAddress

POSTMASTER = "postmaster"
# As many addresses an alias may come to, those of the aliases among its members included.
MEMBERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Route:
    """Mail for an account. `canonical` names the address that matched, for its rules: `localpart@domain`; of a catchall
    `@domain`, while `address` is then the one that was asked for.
    """

    account_id: int
    account: str
    mailbox: str
    address: str
    kind: str = ""
    smtp_error: str = ""
    auth_required: str = ""
    canonical: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """(domain, localpart) of `canonical`: what rulesets are filed under."""
        localpart, _, domain = self.canonical.rpartition("@")
        return domain, localpart


@dataclass(frozen=True, slots=True)
class AliasRoute:
    """Mail for everyone behind an alias; `Tables.members` says who that is."""

    id: int
    address: str
    canonical: str
    members: tuple[str, ...]
    post_public: bool
    list_members: bool
    allow_from: bool


Answer = Route | AliasRoute | None


@dataclass(frozen=True, slots=True)
class Members:
    """Who is behind an alias: accounts here, addresses elsewhere by their `Tables.key`, and was it cut short."""

    local: tuple[Route, ...]
    outside: dict[str, Address]
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class DomainRule:
    name: str
    disabled: bool
    separators: str
    case_sensitive: bool
    selectors: tuple[str, ...] = ()  # that sign its mail


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
    kind: str = ""
    smtp_error: str = ""
    auth_required: str = ""


@dataclass(frozen=True, slots=True)
class AliasRule:
    id: int
    domain: str
    localpart: str
    written: str
    post_public: bool
    list_members: bool
    allow_from: bool
    members: tuple[str, ...]

    @property
    def address(self) -> str:
        return str(Address(self.written, self.domain))


@dataclass(frozen=True, slots=True)
class Tables:
    """The snapshot, looked into."""

    domains: dict[str, DomainRule]
    accounts: dict[int, AccountRule]
    addresses: dict[tuple[str, str], AddressRule]
    aliases: dict[tuple[str, str], AliasRule]
    by_name: dict[str, int]
    first_account: int | None
    default_account: int | None
    hostname: str
    generation: int

    @classmethod
    def build(
        cls,
        domains: Iterable[DomainRule],
        accounts: Iterable[AccountRule],
        addresses: Iterable[AddressRule],
        aliases: Iterable[AliasRule] = (),
        *,
        default_account: str = "",
        hostname: str = "",
        generation: int = 0,
    ) -> "Tables":
        """`default_account` takes the local bundle's mail for unknown recipients. Postmaster is at `hostname` too."""
        by_id = {one.id: one for one in accounts}
        by_name = {one.name: one.id for one in by_id.values()}
        default = by_name.get(default_account) if default_account else None
        return cls(
            {one.name: one for one in domains},
            by_id,
            {(one.domain, one.localpart): one for one in addresses},
            {(one.domain, one.localpart): one for one in aliases},
            by_name,
            min(by_id, default=None),
            default,
            hostname,
            generation,
        )

    def lookup(self, address: Address) -> Answer:
        """Where mail for the address goes; None when we do not take it."""
        rule = self.domains.get(address.domain)
        found = self._exact(address, rule) if rule else None
        if found is not None:
            return self._route(found, address)
        postmaster = address.localpart.lower() == POSTMASTER
        if postmaster and address.domain == self.hostname:
            return self._postmaster(address)
        if rule is not None:
            catchall = self.addresses.get((rule.name, ""))
            if catchall is not None:
                return self._route(catchall, address)
            if postmaster:
                return self._postmaster(address)
        return self._default(address)

    def _exact(self, address: Address, rule: DomainRule) -> AddressRule | AliasRule | None:
        for separators in ("", rule.separators):
            wanted = canonical(address.localpart, separators=separators, case_sensitive=rule.case_sensitive)
            found = (
                (self.addresses.get((rule.name, wanted)) or self.aliases.get((rule.name, wanted))) if wanted else None
            )
            if found is not None:
                return found
        return None

    def _named(self, address: Address) -> AddressRule | AliasRule | None:
        """What is written down for the address, its domain's catchall included."""
        rule = self.domains.get(address.domain)
        return (self._exact(address, rule) or self.addresses.get((rule.name, ""))) if rule else None

    @property
    def postmaster_account(self) -> int | None:
        """Whose account stands for the host itself; None while there is none."""
        own = self.addresses.get((self.hostname, POSTMASTER))
        return own.account_id if own is not None else self.first_account

    def _postmaster(self, address: Address) -> Answer:
        host = (self.hostname, POSTMASTER)
        own = self.addresses.get(host) or self.aliases.get(host)
        if own is not None:
            return self._route(own, address)
        return self._inbox(self.postmaster_account, address)

    def _default(self, address: Address) -> Route | None:
        return self._inbox(self.default_account, address)

    def _inbox(self, account_id: int | None, address: Address) -> Route | None:
        owner = self.accounts.get(account_id) if account_id is not None else None
        return Route(owner.id, owner.name, "Inbox", str(address), canonical=self.key(address)) if owner else None

    def _route(self, rule: AddressRule | AliasRule, address: Address) -> Answer:
        key = f"{rule.localpart}@{rule.domain}"
        if isinstance(rule, AliasRule):
            return _alias_route(rule, key)
        owner = self.accounts.get(rule.account_id)
        if owner is None:
            return None
        written = str(Address(rule.written, rule.domain)) if rule.written else str(address)
        return Route(
            owner.id, owner.name, rule.mailbox, written, rule.kind, rule.smtp_error, rule.auth_required, canonical=key
        )

    def key(self, address: Address) -> str:
        """One spelling for all that mean the same name: by the rules of a domain of ours, of others without case."""
        rule = self.domains.get(address.domain)
        if rule is None:
            return f"{address.localpart.casefold()}@{address.domain}"
        found = self._exact(address, rule)
        if found is not None:
            return f"{found.localpart}@{found.domain}"
        localpart = canonical(address.localpart, separators=rule.separators, case_sensitive=rule.case_sensitive)
        return f"{localpart}@{rule.name}"

    def is_ours(self, domain: str) -> bool:
        return domain in self.domains or domain == self.hostname

    def members(self, alias: AliasRoute) -> Members:
        """Everyone behind an alias, the aliases among its members opened; each address once, so circles end."""
        local: list[Route] = []
        outside: dict[str, Address] = {}
        seen = {alias.canonical}
        waiting = list(alias.members)
        # The list grows while it is read.
        for text in waiting:
            address = _member(text)
            key = self.key(address) if address is not None else ""
            if address is None or key in seen:
                continue
            if len(seen) > MEMBERS_MAX:
                return Members(tuple(local), outside, too_many=True)
            seen.add(key)
            found = self.lookup(address) if self.is_ours(address.domain) else None
            if isinstance(found, AliasRoute):
                waiting += found.members
            elif found is not None:
                local.append(found)
            elif not self.is_ours(address.domain):
                outside[key] = address
        return Members(tuple(local), outside)

    def owns(self, account_id: int, address: Address) -> bool:
        """May this account send as the address: one of its own, a part behind a separator, any unused one of its
        catchall's domain, or an alias it is a member of that allows it.
        """
        found = self._named(address)
        if isinstance(found, AliasRule):
            alias = _alias_route(found, f"{found.localpart}@{found.domain}")
            return alias.allow_from and any(one.account_id == account_id for one in self.members(alias).local)
        return found is not None and found.account_id == account_id

    def account_for_login(self, login: str) -> tuple[int, str] | None:
        """(account id, name) for an address or an account's own name; None when there is none. NFC is applied here.

        An alias is nobody's login; an address nobody has is that of the catchall's owner.
        """
        wanted = unicodedata.normalize("NFC", login)
        if "@" in wanted:
            try:
                found = self._named(parse_address(wanted))
            except BadAddress:
                return None
            owner = self.accounts.get(found.account_id) if isinstance(found, AddressRule) else None
        else:
            owner = self.accounts.get(self.by_name.get(wanted, -1))
        return (owner.id, owner.name) if owner else None

    def as_json(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "hostname": self.hostname,
            "default_account": self.accounts[self.default_account].name if self.default_account is not None else "",
            "domains": [_row(one) for one in self.domains.values()],
            "accounts": [_row(one) for one in self.accounts.values()],
            "addresses": [_row(one) for one in self.addresses.values()],
            "aliases": [_row(one) for one in self.aliases.values()],
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Tables":
        return cls.build(
            (_domain_rule(*row) for row in fields["domains"]),
            (AccountRule(*row) for row in fields["accounts"]),
            (AddressRule(*row) for row in fields["addresses"]),
            (AliasRule(*(*row, tuple(members))) for *row, members in fields["aliases"]),
            default_account=fields["default_account"],
            hostname=fields["hostname"],
            generation=fields["generation"],
        )


def _row(rule: DomainRule | AccountRule | AddressRule | AliasRule) -> list[Any]:
    return [getattr(rule, name) for name in rule.__dataclass_fields__]


def _domain_rule(
    name: str, disabled: bool, separators: str, case_sensitive: bool, selectors: Iterable[str] = ()
) -> DomainRule:
    # Without selectors: the snapshot that the last release left.
    return DomainRule(name, disabled, separators, case_sensitive, tuple(selectors))


def _alias_route(rule: AliasRule, key: str) -> AliasRoute:
    return AliasRoute(rule.id, rule.address, key, rule.members, rule.post_public, rule.list_members, rule.allow_from)


def _member(text: str) -> Address | None:
    try:
        return parse_address(text, strict=False)
    except BadAddress:
        return None
