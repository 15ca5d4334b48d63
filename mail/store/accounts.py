"""Domains, accounts and addresses: adding, changing, removing them, by the rules of features B02.

1. Names are unique in their canonical form over the addresses and aliases of a domain: one that differs from another
   only in case, separator or Unicode form is refused, not the last one winning; and so is one that looks the same
   (`mail.homographs`).
2. An address is whole: `user@domain`, or `@domain` for the domain's catchall.
3. A domain has addresses for the reports about it, in the account of its first owner or of the postmaster; they come
   and go with the domain.
Aliases are in `mail.store.aliases`, what accounts want done with arriving mail in `mail.store.incoming`.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from mail import homographs
from mail.accounts.routing import POSTMASTER
from mail.address import Address, canonical, parse_address, parse_domain
from mail.errors import BadAddress, Exists, Invalid, NotFound
from mail.smtp.replies import parse_refusal
from mail.store import names
from mail.store.changes import AccountState, Changes
from mail.store.mailbox_changes import create_mailbox
from mail.store.schema import account, address, alias, alias_member, domain, ruleset

# Inbox first; the rest with their RFC 6154 use.
FIRST_MAILBOXES = (
    ("Inbox", ""),
    ("Archive", "\\Archive"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
)
# localpart, mailbox, kind
REPORT_ADDRESSES = (("dmarcreports", "DMARC", "dmarc"), ("tlsreports", "TLSRPT", "tls"))
SEPARATORS_MAX = 10
# Sentences shown to strangers go into one reply line.
WORDS_MAX = 300


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
    kind: str
    smtp_error: str
    auth_required: str

    @property
    def address(self) -> str:
        return str(Address(self.written, self.domain)) if self.written else "@" + self.domain


_DOMAINS = select(
    domain.c.id, domain.c.name, domain.c.disabled, domain.c.catchall_separators, domain.c.localpart_case_sensitive
)
_ACCOUNTS = select(account.c.id, account.c.name, account.c.login_disabled, account.c.quota, account.c.size)
_ADDRESSES = (
    select(
        account.c.id,
        account.c.name,
        domain.c.name,
        address.c.localpart,
        address.c.written,
        address.c.mailbox,
        address.c.kind,
        address.c.smtp_error,
        address.c.auth_required,
    )
    .join_from(address, account, address.c.account_id == account.c.id)
    .join(domain, address.c.domain_id == domain.c.id)
)


def list_domains(connection: Connection) -> list[DomainRow]:
    return [DomainRow(*values) for values in connection.execute(_DOMAINS.order_by(domain.c.name))]


def list_accounts(connection: Connection) -> list[AccountRow]:
    return [AccountRow(*values) for values in connection.execute(_ACCOUNTS.order_by(account.c.name))]


def list_addresses(connection: Connection, *, account_id: int | None = None) -> list[AddressRow]:
    wanted = _ADDRESSES if account_id is None else _ADDRESSES.where(account.c.id == account_id)
    found = connection.execute(wanted.order_by(domain.c.name, address.c.localpart))
    return [AddressRow(*values) for values in found]


def find_domain(connection: Connection, name: str, *, lock: bool = False) -> DomainRow:
    """NotFound names the domain. With `lock` nobody else gives out names of it before this transaction ends."""
    wanted = _DOMAINS.where(domain.c.name == parse_domain(name))
    values = connection.execute(wanted.with_for_update() if lock else wanted).first()
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
    row, localpart = place(connection, text)
    wanted = _ADDRESSES.where(address.c.domain_id == row.id, address.c.localpart == localpart)
    values = connection.execute(wanted).first()
    if values is None:
        raise NotFound(public=f"no address {text}; `mailctl address list` shows those there are")
    return AddressRow(*values)


def place(connection: Connection, text: str, *, lock: bool = False) -> tuple[DomainRow, str]:
    """The domain and the canonical localpart an address stands for; `@domain` is the catchall's empty one."""
    if text.startswith("@"):
        return find_domain(connection, text[1:], lock=lock), ""
    if "@" not in text:
        raise BadAddress(public=f"{text} is no whole address: user@domain, or @domain for a catchall")
    parsed = parse_address(text)
    row = find_domain(connection, parsed.domain, lock=lock)
    if not parsed.localpart:
        raise Invalid(public=f"{text}: the name is empty; the catchall is @{row.name}")
    return row, _canonical(row, parsed.localpart)


def _canonical(row: DomainRow, localpart: str) -> str:
    return canonical(localpart, separators="", case_sensitive=row.localpart_case_sensitive)


def new_name(tx: Connection, text: str) -> tuple[DomainRow, str, str]:
    """(domain, canonical localpart, localpart as written) of an address or alias to be made. Exists when its canonical
    form is taken; Invalid when it has a separator, looks like another, or has characters that cannot be seen.
    """
    row, localpart = place(tx, text, lock=True)
    written = "" if text.startswith("@") else parse_address(text).localpart
    separated = [character for character in row.catchall_separators if character in localpart[1:]]
    if separated:
        raise Invalid(
            public=f"{text}: {separated[0]} separates localparts at {row.name}; mail to it goes to the part before"
        )
    _check_taken(tx, row, text, localpart)
    _check_looks(tx, row, text, localpart)
    return row, localpart, written


def _check_taken(tx: Connection, row: DomainRow, text: str, localpart: str) -> None:
    taken = tx.execute(_ADDRESSES.where(address.c.domain_id == row.id, address.c.localpart == localpart)).first()
    if taken is not None:
        raise Exists(public=f"address {text} exists already, as {AddressRow(*taken).address} of account {taken[1]}")
    wanted = select(alias.c.written).where(alias.c.domain_id == row.id, alias.c.localpart == localpart)
    written = tx.execute(wanted).scalar()
    if written is not None:
        raise Exists(public=f"address {text} exists already, as the alias {Address(written, row.name)}")


def _check_looks(tx: Connection, row: DomainRow, text: str, localpart: str) -> None:
    """Security MC-9."""
    if homographs.invisible(localpart):
        raise Invalid(public=f"{text!a} has characters that cannot be seen")
    if not homographs.one_script(localpart):
        raise Invalid(public=f"{text} mixes letters of several scripts: they would be taken for others")
    looks = homographs.skeleton(localpart)
    for column in (address.c, alias.c):
        # Of names in ASCII none looks like another: those that are not, and the one it may look like.
        foreign = func.octet_length(column.localpart) != func.length(column.localpart)
        wanted = select(column.localpart).where(
            column.domain_id == row.id, foreign | (column.localpart == looks), column.localpart != localpart
        )
        for other in tx.execute(wanted).scalars():
            if homographs.skeleton(other) == looks:
                raise Invalid(public=f"{text} looks like {other}@{row.name}, which is there already")


def add_domain(
    tx: Connection,
    name: str,
    now: int,
    *,
    separators: str = "+",
    case_sensitive: bool = False,
    disabled: bool = False,
    account_id: int | None = None,
) -> DomainRow:
    """Its report addresses go to that account, or the first one if there is one; an account that is not the first gets
    postmaster at the domain too (features B02).
    """
    wanted = parse_domain(name)
    if wanted.startswith("["):
        raise BadAddress(public=f"{name} is an address literal, not a domain")
    if tx.execute(_DOMAINS.where(domain.c.name == wanted)).first() is not None:
        raise Exists(public=f"domain {wanted} exists already")
    values = {
        "name": wanted,
        "disabled": disabled,
        "catchall_separators": checked_separators(separators),
        "localpart_case_sensitive": case_sensitive,
        "created_at": now,
    }
    tx.execute(insert(domain), values)
    first = _first_account(tx)
    if first is not None:
        _add_report_addresses(tx, wanted, account_id or first, now)
    if account_id is not None and account_id != first:
        add_address(tx, f"{POSTMASTER}@{wanted}", account_id, now)
    return find_domain(tx, wanted)


def _first_account(connection: Connection, *, but: int | None = None) -> int | None:
    wanted = select(func.min(account.c.id))
    return connection.execute(wanted if but is None else wanted.where(account.c.id != but)).scalar()


def _add_report_addresses(tx: Connection, name: str, account_id: int, now: int) -> None:
    for localpart, mailbox_name, kind in REPORT_ADDRESSES:
        # A name somebody has already stays his.
        with contextlib.suppress(Exists):
            add_address(tx, f"{localpart}@{name}", account_id, now, to_mailbox=mailbox_name, kind=kind)


def checked_separators(separators: str) -> str:
    """Invalid unless each is a sign of ASCII that may be in a localpart, once."""
    wrong = [one for one in separators if not ("!" <= one <= "~") or one.isalnum() or one in '"(),.:;<>@[\\]']
    if wrong or len(set(separators)) != len(separators) or len(separators) > SEPARATORS_MAX:
        raise Invalid(
            public=f"separators {separators!r}: each a different sign such as + or -, no letter, digit or dot"
        )
    return separators


def change_domain(tx: Connection, name: str, **values: Any) -> None:
    """Set columns of a domain that no address depends on; NotFound names it. Others: `mail.store.spelling`."""
    tx.execute(update(domain).where(domain.c.id == find_domain(tx, name).id).values(**values))


def remove_domain(tx: Connection, name: str) -> None:
    """Invalid while something refers to it: accounts and aliases are kept, never orphaned in silence. What came with
    the domain, its report addresses and postmaster, goes with it.
    """
    row = find_domain(tx, name, lock=True)
    own = (address.c.kind != "") | (address.c.localpart == POSTMASTER)
    kept = select(func.count()).select_from(address).where(address.c.domain_id == row.id, ~own)
    count = tx.execute(kept).scalar_one()
    if count:
        raise Invalid(public=f"domain {row.name} still has {count} addresses; `mailctl address remove` them first")
    aliases = tx.execute(select(func.count()).select_from(alias).where(alias.c.domain_id == row.id)).scalar_one()
    if aliases:
        raise Invalid(public=f"domain {row.name} still has {aliases} aliases; `mailctl alias remove` them first")
    member = select(alias_member.c.address).where(alias_member.c.address.endswith("@" + row.name, autoescape=True))
    referring = tx.execute(member.limit(1)).scalar()
    if referring is not None:
        raise Invalid(public=f"{referring} is a member of an alias; `mailctl alias member remove` it first")
    tx.execute(delete(ruleset).where(ruleset.c.domain_id == row.id))
    tx.execute(delete(address).where(address.c.domain_id == row.id))
    tx.execute(delete(domain).where(domain.c.id == row.id))


def add_account(changes: Changes, name: str, *, quota: int = 0) -> int:
    """An account with its first mailboxes, subscribed, and no password: no login until one is set. Returns its id.

    The first account of all takes the reports about the domains there are.
    """
    if not name or name != name.strip() or len(name) > 100 or not name.isprintable() or "/" in name:
        raise Invalid(public=f"account name {name!r} is not allowed: printable, at most 100 characters, no /")
    tx = changes.tx
    if tx.execute(_ACCOUNTS.where(account.c.name == name)).first() is not None:
        raise Exists(public=f"account {name} exists already")
    is_first = _first_account(tx) is None
    # UIDVALIDITY grows from the time: an account made again never gives out an old pair (RFC 9051 §2.3.1.1).
    values = {"name": name, "quota": quota, "created_at": changes.now, "next_uidvalidity": changes.now // 1000}
    result = tx.execute(insert(account), values)
    assert result.inserted_primary_key is not None
    account_id = int(result.inserted_primary_key[0])
    state: AccountState = changes.account(account_id)
    for mailbox_name, use in FIRST_MAILBOXES:
        create_mailbox(state, mailbox_name, use)
    if is_first:
        for row in list_domains(tx):
            _add_report_addresses(tx, row.name, account_id, changes.now)
    return account_id


def change_account(tx: Connection, account_id: int, **values: Any) -> None:
    tx.execute(update(account).where(account.c.id == account_id).values(**values))


def add_address(
    tx: Connection, text: str, account_id: int, now: int, *, to_mailbox: str = "Inbox", kind: str = ""
) -> AddressRow:
    """Give an account an address, or with `@domain` the domain's catchall. Raises as `new_name`."""
    row, localpart, written = new_name(tx, text)
    values = {
        "account_id": account_id,
        "domain_id": row.id,
        "localpart": localpart,
        "written": written,
        "mailbox": names.checked(to_mailbox),
        "kind": kind,
        "created_at": now,
    }
    tx.execute(insert(address), values)
    return find_address(tx, text)


def change_address(
    tx: Connection,
    text: str,
    *,
    mailbox: str | None = None,
    smtp_error: str | None = None,
    auth_required: str | None = None,
    account_id: int | None = None,
) -> AddressRow:
    """What is None stays. Rulesets belong to an account: an address that has some stays in it (Invalid). `smtp_error`
    is a refusal as `mail.smtp.replies.parse_refusal` reads it, or empty.
    """
    row, localpart = place(tx, text)
    found = find_address(tx, text)
    values: dict[str, Any] = {}
    if mailbox is not None:
        values["mailbox"] = names.checked(mailbox)
    if smtp_error is not None:
        if smtp_error:
            parse_refusal(smtp_error)
        values["smtp_error"] = smtp_error
    if auth_required is not None:
        if not (auth_required.isascii() and auth_required.isprintable()) or len(auth_required) > WORDS_MAX:
            raise Invalid(public=f"the words of a refusal are printable ASCII, at most {WORDS_MAX} characters")
        values["auth_required"] = auth_required
    if account_id is not None and account_id != found.account_id:
        kept = select(ruleset.c.id).where(ruleset.c.domain_id == row.id, ruleset.c.localpart == localpart)
        if tx.execute(kept.limit(1)).first() is not None:
            raise Invalid(public=f"{found.address} has rulesets; `mailctl ruleset remove` them first")
        values["account_id"] = account_id
    if values:
        which = (address.c.domain_id == row.id) & (address.c.localpart == localpart)
        tx.execute(update(address).where(which).values(**values))
    return find_address(tx, text)


def remove_address(tx: Connection, text: str) -> None:
    """With its rulesets and its memberships. Invalid for a report address or postmaster, which go with their domain,
    and for the last member of an alias.
    """
    row, localpart = place(tx, text, lock=True)
    found = find_address(tx, text)
    if found.kind or found.localpart == POSTMASTER:
        raise Invalid(public=f"{found.address} belongs to its domain; `mailctl domain remove {row.name}` removes both")
    leave_aliases(tx, [found.address])
    which = (address.c.domain_id == row.id) & (address.c.localpart == localpart)
    tx.execute(delete(ruleset).where(ruleset.c.domain_id == row.id, ruleset.c.localpart == localpart))
    tx.execute(delete(address).where(which))


def leave_aliases(tx: Connection, addresses: list[str]) -> None:
    """End the memberships of addresses that go. Invalid when an alias would be left without members."""
    is_going = alias_member.c.address.in_(addresses)
    concerned = select(alias_member.c.alias_id).where(is_going)
    remaining = select(alias_member.c.alias_id).where(~is_going)
    emptied = (
        select(alias.c.written, domain.c.name)
        .join_from(alias, domain, alias.c.domain_id == domain.c.id)
        .where(alias.c.id.in_(concerned), alias.c.id.not_in(remaining))
    )
    row = tx.execute(emptied.limit(1)).first()
    if row is not None:
        name = str(Address(*row))
        raise Invalid(public=f"the alias {name} would have no member left; `mailctl alias remove {name}` first")
    tx.execute(delete(alias_member).where(is_going))
