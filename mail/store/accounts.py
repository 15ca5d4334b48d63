"""Domains, accounts and addresses: adding, changing, removing them, by the rules of features B02.

Names are unique in their canonical form: an address that differs from another only in case, separator or Unicode form
is refused, not the last one winning.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from mail.address import Address, canonical, parse_address, parse_domain
from mail.errors import BadAddress, Exists, Invalid, NotFound
from mail.store.changes import AccountState, Changes
from mail.store.mailbox_changes import create_mailbox
from mail.store.schema import (
    account,
    address,
    arrival,
    domain,
    history,
    junk_total,
    junk_word,
    mailbox,
    mailbox_keyword,
    message,
    sent_to,
    subscription,
    vanished,
)

# Inbox first; the rest with their RFC 6154 use.
FIRST_MAILBOXES = (
    ("Inbox", ""),
    ("Archive", "\\Archive"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
)


@dataclass(frozen=True, slots=True)
class DomainRow:
    id: int
    name: str
    disabled: bool
    catchall_separators: str
    localpart_case_sensitive: bool


@dataclass(frozen=True, slots=True)
class AccountRow:
    id: int
    name: str
    login_disabled: str
    quota: int
    size: int


@dataclass(frozen=True, slots=True)
class AddressRow:
    account_id: int
    account: str
    domain: str
    localpart: str
    written: str
    mailbox: str

    @property
    def address(self) -> str:
        return str(Address(self.written, self.domain)) if self.written else "@" + self.domain


_DOMAINS = select(
    domain.c.id, domain.c.name, domain.c.disabled, domain.c.catchall_separators, domain.c.localpart_case_sensitive
)
_ACCOUNTS = select(account.c.id, account.c.name, account.c.login_disabled, account.c.quota, account.c.size)
_ADDRESSES = (
    select(account.c.id, account.c.name, domain.c.name, address.c.localpart, address.c.written, address.c.mailbox)
    .join_from(address, account, address.c.account_id == account.c.id)
    .join(domain, address.c.domain_id == domain.c.id)
)


def list_domains(connection: Connection) -> list[DomainRow]:
    return [DomainRow(*values) for values in connection.execute(_DOMAINS.order_by(domain.c.name))]


def list_accounts(connection: Connection) -> list[AccountRow]:
    return [AccountRow(*values) for values in connection.execute(_ACCOUNTS.order_by(account.c.name))]


def list_addresses(connection: Connection) -> list[AddressRow]:
    found = connection.execute(_ADDRESSES.order_by(domain.c.name, address.c.localpart))
    return [AddressRow(*values) for values in found]


def find_domain(connection: Connection, name: str) -> DomainRow:
    """NotFound names the domain."""
    values = connection.execute(_DOMAINS.where(domain.c.name == parse_domain(name))).first()
    if values is None:
        raise NotFound(public=f"no domain {name}; `mailctl domain add {name}` adds it")
    return DomainRow(*values)


def find_account(connection: Connection, name: str) -> AccountRow:
    """By account name or by one of its addresses. NotFound names it."""
    values = connection.execute(_ACCOUNTS.where(account.c.name == name)).first()
    if values is None and "@" in name:
        found = find_address(connection, name)
        values = connection.execute(_ACCOUNTS.where(account.c.id == found.account_id)).first()
    if values is None:
        raise NotFound(public=f"no account {name}; `mailctl account list` shows those there are")
    return AccountRow(*values)


def find_address(connection: Connection, text: str) -> AddressRow:
    """NotFound names the address."""
    row, localpart = _place(connection, text)
    wanted = _ADDRESSES.where(address.c.domain_id == row.id, address.c.localpart == localpart)
    values = connection.execute(wanted).first()
    if values is None:
        raise NotFound(public=f"no address {text}; `mailctl address list` shows those there are")
    return AddressRow(*values)


def _place(connection: Connection, text: str) -> tuple[DomainRow, str]:
    """The domain and the canonical localpart an address stands for; `@domain` is the catchall's empty one."""
    if text.startswith("@"):
        return find_domain(connection, text[1:]), ""
    parsed = parse_address(text)
    row = find_domain(connection, parsed.domain)
    return row, _canonical(row, parsed)


def _canonical(row: DomainRow, parsed: Address) -> str:
    return canonical(parsed.localpart, separators="", case_sensitive=row.localpart_case_sensitive)


def add_domain(
    tx: Connection, name: str, now: int, *, separators: str = "+", case_sensitive: bool = False
) -> DomainRow:
    wanted = parse_domain(name)
    if wanted.startswith("["):
        raise BadAddress(public=f"{name} is an address literal, not a domain")
    if tx.execute(_DOMAINS.where(domain.c.name == wanted)).first() is not None:
        raise Exists(public=f"domain {wanted} exists already")
    values = {
        "name": wanted,
        "disabled": False,
        "catchall_separators": separators,
        "localpart_case_sensitive": case_sensitive,
        "created_at": now,
    }
    tx.execute(insert(domain), values)
    return find_domain(tx, wanted)


def change_domain(tx: Connection, name: str, **values: Any) -> None:
    """Set columns of a domain; NotFound names it."""
    tx.execute(update(domain).where(domain.c.id == find_domain(tx, name).id).values(**values))


def remove_domain(tx: Connection, name: str) -> None:
    """Invalid while an address of it is left: accounts are kept, never orphaned in silence."""
    row = find_domain(tx, name)
    count = tx.execute(select(func.count()).select_from(address).where(address.c.domain_id == row.id)).scalar_one()
    if count:
        raise Invalid(public=f"domain {row.name} still has {count} addresses; `mailctl address remove` them first")
    tx.execute(delete(domain).where(domain.c.id == row.id))


def add_account(changes: Changes, name: str, *, quota: int = 0) -> int:
    """An account with its first mailboxes, subscribed, and no password: no login until one is set. Returns its id."""
    if not name or name != name.strip() or len(name) > 100 or not name.isprintable() or "/" in name:
        raise Invalid(public=f"account name {name!r} is not allowed: printable, at most 100 characters, no /")
    tx = changes.tx
    if tx.execute(_ACCOUNTS.where(account.c.name == name)).first() is not None:
        raise Exists(public=f"account {name} exists already")
    # UIDVALIDITY grows from the time: an account made again never gives out an old pair (RFC 9051 §2.3.1.1).
    values = {"name": name, "quota": quota, "created_at": changes.now, "next_uidvalidity": changes.now // 1000}
    result = tx.execute(insert(account), values)
    assert result.inserted_primary_key is not None
    account_id = int(result.inserted_primary_key[0])
    state: AccountState = changes.account(account_id)
    for mailbox_name, use in FIRST_MAILBOXES:
        create_mailbox(state, mailbox_name, use)
    return account_id


def change_account(tx: Connection, account_id: int, **values: Any) -> None:
    tx.execute(update(account).where(account.c.id == account_id).values(**values))


def remove_account(tx: Connection, account_id: int) -> None:
    """Its mail and what was learnt of it, its mailboxes, addresses and itself. The caller ended its queued messages."""
    for table in (message, vanished, mailbox_keyword, subscription, mailbox, address, arrival, history, sent_to):
        tx.execute(delete(table).where(table.c.account_id == account_id))
    for table in (junk_word, junk_total):
        # The negative: counts that are being made anew.
        tx.execute(delete(table).where(table.c.account_id.in_((account_id, -account_id))))
    tx.execute(delete(account).where(account.c.id == account_id))


def add_address(tx: Connection, text: str, account_id: int, now: int, *, to_mailbox: str = "Inbox") -> AddressRow:
    """Give an account an address, or with `@domain` the domain's catchall. Exists when its canonical form is taken."""
    row, localpart = _place(tx, text)
    written = "" if text.startswith("@") else parse_address(text).localpart
    separated = [character for character in row.catchall_separators if character in localpart[1:]]
    if separated:
        raise Invalid(
            public=f"{text}: {separated[0]} separates localparts at {row.name}; mail to it goes to the part before"
        )
    taken = tx.execute(_ADDRESSES.where(address.c.domain_id == row.id, address.c.localpart == localpart)).first()
    if taken is not None:
        raise Exists(public=f"address {text} exists already, as {AddressRow(*taken).address} of account {taken[1]}")
    values = {
        "account_id": account_id,
        "domain_id": row.id,
        "localpart": localpart,
        "written": written,
        "mailbox": to_mailbox,
        "created_at": now,
    }
    tx.execute(insert(address), values)
    return find_address(tx, text)


def remove_address(tx: Connection, text: str) -> None:
    row, localpart = _place(tx, text)
    result = tx.execute(delete(address).where(address.c.domain_id == row.id, address.c.localpart == localpart))
    if not result.rowcount:
        raise NotFound(public=f"no address {text}; `mailctl address list` shows those there are")
