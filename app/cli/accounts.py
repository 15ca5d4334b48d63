"""mailctl domain, account, address."""

import sys
from dataclasses import asdict
from typing import Any

import click

from app.cli.account_options import LIMIT_WORDS, limit_options, rule_options
from app.cli.context import Context, json_option, pass_context, show, table
from mail.errors import Invalid
from mail.homographs import shown_domain
from mail.now import SystemClock
from mail.store import accounts, aliases, incoming, removal, send_limits
from mail.store.spelling import respell

NOTHING_TO_SET = "nothing to set; --help shows what there is"


@click.group()
def domain() -> None:
    """Domains we take mail for."""


@domain.command("add")
@click.argument("name")
@click.option("--separators", default="+", show_default=True, help="Characters that split a localpart; empty: none.")
@click.option("--case-sensitive", is_flag=True, help="Localparts differ by case.")
@click.option("--disabled", is_flag=True, help="Answer its mail with a temporary error until it is enabled.")
@click.option(
    "--account", "account_name", help="Who gets its postmaster's mail and its reports; else the first account."
)
@json_option
@pass_context
def add_domain(
    context: Context,
    name: str,
    separators: str,
    case_sensitive: bool,
    disabled: bool,
    account_name: str | None,
    as_json: bool,
) -> None:
    """Take mail for a domain."""
    with context.changing() as changes:
        owner = accounts.find_account(changes.tx, account_name).id if account_name else None
        row = accounts.add_domain(
            changes.tx,
            name,
            changes.now,
            separators=separators,
            case_sensitive=case_sensitive,
            disabled=disabled,
            account_id=owner,
        )
    show(row, as_json, f"domain {shown_domain(row.name)} added")


@domain.command("list")
@json_option
@pass_context
def list_domains(context: Context, as_json: bool) -> None:
    """All domains."""
    with context.store.read() as connection:
        rows = accounts.list_domains(connection)
    lines = [
        (
            shown_domain(row.name),
            "disabled" if row.disabled else "",
            row.catchall_separators,
            "matters" if row.localpart_case_sensitive else "",
        )
        for row in rows
    ]
    show(rows, as_json, table(("domain", "state", "separators", "case"), lines))


@domain.command("set")
@click.argument("name")
@click.option("--separators", help="Characters that split a localpart; empty: none.")
@click.option("--case-sensitive/--no-case-sensitive", default=None, help="Localparts differ by case.")
@click.option(
    "--disable/--enable", "disabled", default=None, help="Answer its mail with a temporary error, or take it."
)
@json_option
@pass_context
def set_domain(
    context: Context,
    name: str,
    separators: str | None,
    case_sensitive: bool | None,
    disabled: bool | None,
    as_json: bool,
) -> None:
    """Change how a domain takes mail."""
    if separators is None and case_sensitive is None and disabled is None:
        raise Invalid(public=NOTHING_TO_SET)
    with context.changing() as changes:
        if separators is not None or case_sensitive is not None:
            respell(changes.tx, name, separators=separators, case_sensitive=case_sensitive)
        if disabled is not None:
            accounts.change_domain(changes.tx, name, disabled=disabled)
        row = accounts.find_domain(changes.tx, name)
    show(row, as_json, f"domain {shown_domain(row.name)} changed")


@domain.command("disable")
@click.argument("name")
@json_option
@pass_context
def disable_domain(context: Context, name: str, as_json: bool) -> None:
    """Answer its mail with a temporary error for the time being."""
    with context.changing() as changes:
        accounts.change_domain(changes.tx, name, disabled=True)
    show({"domain": name, "disabled": True}, as_json, f"domain {name} disabled")


@domain.command("enable")
@click.argument("name")
@json_option
@pass_context
def enable_domain(context: Context, name: str, as_json: bool) -> None:
    """Take its mail again."""
    with context.changing() as changes:
        accounts.change_domain(changes.tx, name, disabled=False)
    show({"domain": name, "disabled": False}, as_json, f"domain {name} enabled")


@domain.command("remove")
@click.argument("name")
@json_option
@pass_context
def remove_domain(context: Context, name: str, as_json: bool) -> None:
    """Take no more mail for it; it must have no addresses or aliases left but those that came with it."""
    with context.changing() as changes:
        accounts.remove_domain(changes.tx, name)
    show({"domain": name, "removed": True}, as_json, f"domain {name} removed")


@click.group()
def account() -> None:
    """Accounts: who has mailboxes and may log in."""


@account.command("add")
@click.argument("name")
@click.argument("address", required=False)
@click.option("--quota", default=0, help="Octets the account may hold; 0: no limit.")
@json_option
@pass_context
def add_account(context: Context, name: str, address: str | None, quota: int, as_json: bool) -> None:
    """Make an account, with an address at once if you name one. It has no password yet."""
    with context.changing() as changes:
        account_id = accounts.add_account(changes, name, quota=quota)
        if address:
            accounts.add_address(changes.tx, address, account_id, changes.now)
    words = f"account {name} added; `mailctl account password {name}` sets its password"
    show({"id": account_id, "name": name, "address": address}, as_json, words)


@account.command("list")
@json_option
@pass_context
def list_accounts(context: Context, as_json: bool) -> None:
    """All accounts."""
    with context.store.read() as connection:
        rows = accounts.list_accounts(connection)
    lines = [(row.name, row.size, row.quota or "-", row.login_disabled or "") for row in rows]
    show(rows, as_json, table(("account", "octets", "quota", "login disabled"), lines))


@account.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@json_option
@pass_context
def set_password(context: Context, name: str, password_stdin: bool, as_json: bool) -> None:
    """Set its password; all its web sessions end."""
    with context.store.read() as connection:
        row = accounts.find_account(connection, name)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    context.auth("set_password", {"account_id": row.id, "password": password})
    show({"account": row.name, "password": "set"}, as_json, f"password of account {row.name} set")


@account.command("disable")
@click.argument("name")
@click.argument("message")
@json_option
@pass_context
def disable_account(context: Context, name: str, message: str, as_json: bool) -> None:
    """Refuse its logins with this message; mail still comes in."""
    if not message.strip() or not message.isprintable():
        raise Invalid(public="the message is shown to the owner: it must have printable words in it")
    with context.changing() as changes:
        row = accounts.find_account(changes.tx, name)
        accounts.change_account(changes.tx, row.id, login_disabled=message)
    show({"account": row.name, "login_disabled": message}, as_json, f"logins of account {row.name} disabled")


@account.command("enable")
@click.argument("name")
@json_option
@pass_context
def enable_account(context: Context, name: str, as_json: bool) -> None:
    """Allow its logins again."""
    with context.changing() as changes:
        row = accounts.find_account(changes.tx, name)
        accounts.change_account(changes.tx, row.id, login_disabled="")
    show({"account": row.name, "login_disabled": ""}, as_json, f"logins of account {row.name} enabled")


@account.command("set")
@click.argument("name")
@click.option("--quota", type=click.IntRange(min=0), help="Octets the account may hold; 0: no limit.")
@limit_options
@rule_options
@json_option
@pass_context
def set_account(context: Context, name: str, quota: int | None, as_json: bool, **given: Any) -> None:
    """Change what it may hold and send, and what it wants done with arriving mail."""
    rules = {one: value for one, value in given.items() if value is not None}
    limits = {one: rules.pop(one) for one in LIMIT_WORDS if one in rules}
    if quota is None and not rules and not limits:
        raise Invalid(public=NOTHING_TO_SET)
    with context.changing() as changes:
        row = accounts.find_account(changes.tx, name)
        if quota is not None:
            accounts.change_account(changes.tx, row.id, quota=quota)
        if limits:
            send_limits.change_limits(changes.tx, row.id, **limits)
        made = incoming.change_rules(changes.tx, row.id, rules)
        row = accounts.find_account(changes.tx, row.name)
        allowed, _ = send_limits.standing(changes.tx, row.id, changes.now)
    shown = {**asdict(row), "sending": asdict(allowed), "incoming": asdict(made)}
    show(shown, as_json, f"account {row.name} changed")


@account.command("show")
@click.argument("name")
@json_option
@pass_context
def show_account(context: Context, name: str, as_json: bool) -> None:
    """One account: its addresses, its aliases, what it wants done with arriving mail."""
    with context.store.read() as connection:
        row = accounts.find_account(connection, name)
        addresses = [_with_address(one) for one in accounts.list_addresses(connection, account_id=row.id)]
        own = {one["address"] for one in addresses}
        member_of = [one.address for one in aliases.list_aliases(connection) if not own.isdisjoint(one.members)]
        allowed, sent = send_limits.standing(connection, row.id, SystemClock().wall_ms())
        rules = asdict(incoming.rules(connection, row.id))
        rulesets = [asdict(one) for one in incoming.list_rulesets(connection, account_id=row.id)]
    made = {
        **asdict(row),
        "addresses": addresses,
        "aliases": member_of,
        "sending": asdict(allowed) | {"sent": asdict(sent)},
        "incoming": rules,
        "rulesets": rulesets,
    }
    lines = [
        f"account {row.name}: {row.size} of {row.quota or 'any number of'} octets"
        + (f", login disabled: {row.login_disabled}" if row.login_disabled else ""),
        *(f"  address {one['address']} -> {one['mailbox']}" for one in addresses),
        *(f"  member of {one}" for one in member_of),
        f"  sent in 24 hours: {sent.recipients} of {allowed.messages} messages, one a recipient",
        f"  of them to recipients new to it: {sent.first_time} of {allowed.first_time}",
        *(f"  {rule.replace('_', ' ')}: {value}" for rule, value in rules.items()),
        *(f"  ruleset {one['id']} of {one['address']}: {one['rule']}" for one in rulesets),
    ]
    show(made, as_json, lines)


@account.command("quota")
@click.argument("name")
@click.argument("octets", type=click.IntRange(min=0))
@json_option
@pass_context
def set_quota(context: Context, name: str, octets: int, as_json: bool) -> None:
    """How much it may hold; 0: no limit."""
    with context.changing() as changes:
        row = accounts.find_account(changes.tx, name)
        accounts.change_account(changes.tx, row.id, quota=octets)
    show({"account": row.name, "quota": octets}, as_json, f"quota of account {row.name} set to {octets}")


@account.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_context
def remove_account(context: Context, name: str, yes: bool, as_json: bool) -> None:
    """Remove it with all its mail, addresses and waiting messages."""
    with context.store.read() as connection:
        row = accounts.find_account(connection, name)
    if not yes:
        click.confirm(f"Remove account {row.name} and {row.size} octets of mail for good?", abort=True)
    with context.changing() as changes:
        removal.remove_account(changes.tx, row.id)
    context.auth("remove_account", {"account_id": row.id})
    show({"account": row.name, "removed": True}, as_json, f"account {row.name} removed")


@click.group()
def address() -> None:
    """Addresses: which account gets whose mail. `@domain` is a domain's catchall."""


def _with_address(row: accounts.AddressRow) -> dict[str, object]:
    return {"address": row.address, **asdict(row)}


def _for_people(row: accounts.AddressRow) -> str:
    return f"{row.written}@{shown_domain(row.domain)}" if row.written else f"@{shown_domain(row.domain)} (catchall)"


@address.command("add")
@click.argument("text", metavar="ADDRESS")
@click.argument("account_name", metavar="ACCOUNT")
@click.option("--mailbox", default="Inbox", show_default=True, help="Where its mail goes.")
@json_option
@pass_context
def add_address(context: Context, text: str, account_name: str, mailbox: str, as_json: bool) -> None:
    """Give an account an address."""
    with context.changing() as changes:
        owner = accounts.find_account(changes.tx, account_name)
        row = accounts.add_address(changes.tx, text, owner.id, changes.now, to_mailbox=mailbox)
    show(_with_address(row), as_json, f"address {row.address} added to account {row.account}")


@address.command("set")
@click.argument("text", metavar="ADDRESS")
@click.option("--mailbox", help="Where its mail goes.")
@click.option("--account", "account_name", help="Whose it is from now on.")
@click.option("--smtp-error", help="Refuse its mail with this: 421 or 550 and words; empty: take it.")
@click.option("--auth-required", help="Refuse mail whose From is not proven, with these words; empty: take it.")
@json_option
@pass_context
def set_address(
    context: Context,
    text: str,
    mailbox: str | None,
    account_name: str | None,
    smtp_error: str | None,
    auth_required: str | None,
    as_json: bool,
) -> None:
    """Change what becomes of its mail."""
    if mailbox is None and account_name is None and smtp_error is None and auth_required is None:
        raise Invalid(public=NOTHING_TO_SET)
    with context.changing() as changes:
        owner = accounts.find_account(changes.tx, account_name).id if account_name else None
        row = accounts.change_address(
            changes.tx, text, mailbox=mailbox, smtp_error=smtp_error, auth_required=auth_required, account_id=owner
        )
    show(_with_address(row), as_json, f"address {row.address} changed")


@address.command("list")
@json_option
@pass_context
def list_addresses(context: Context, as_json: bool) -> None:
    """All addresses."""
    with context.store.read() as connection:
        rows = accounts.list_addresses(connection)
    lines = [(_for_people(row), row.account, row.mailbox, row.smtp_error or row.auth_required) for row in rows]
    show([_with_address(row) for row in rows], as_json, table(("address", "account", "mailbox", "refusal"), lines))


@address.command("remove")
@click.argument("text", metavar="ADDRESS")
@json_option
@pass_context
def remove_address(context: Context, text: str, as_json: bool) -> None:
    """Take an address away; its mail is refused from then on."""
    with context.changing() as changes:
        accounts.remove_address(changes.tx, text)
    show({"address": text, "removed": True}, as_json, f"address {text} removed")
