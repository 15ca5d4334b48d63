"""mailctl domain, account, address."""

import sys
from dataclasses import asdict

import click

from app.cli.context import Context, json_option, pass_context, show, table
from mail.errors import Invalid
from mail.store import accounts


@click.group()
def domain() -> None:
    """Domains we take mail for."""


@domain.command("add")
@click.argument("name")
@click.option("--separators", default="+", show_default=True, help="Characters that split a localpart; empty: none.")
@click.option("--case-sensitive", is_flag=True, help="Localparts differ by case.")
@json_option
@pass_context
def add_domain(context: Context, name: str, separators: str, case_sensitive: bool, as_json: bool) -> None:
    """Take mail for a domain."""
    with context.changing() as changes:
        row = accounts.add_domain(changes.tx, name, changes.now, separators=separators, case_sensitive=case_sensitive)
    show(row, as_json, f"domain {row.name} added")


@domain.command("list")
@json_option
@pass_context
def list_domains(context: Context, as_json: bool) -> None:
    """All domains."""
    with context.store.read() as connection:
        rows = accounts.list_domains(connection)
    lines = [(row.name, "disabled" if row.disabled else "", row.catchall_separators) for row in rows]
    show(rows, as_json, table(("domain", "state", "separators"), lines))


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
    """Take no more mail for it; it must have no addresses left."""
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
        accounts.remove_account(changes.tx, row.id)
    context.auth("remove_account", {"account_id": row.id})
    show({"account": row.name, "removed": True}, as_json, f"account {row.name} removed")


@click.group()
def address() -> None:
    """Addresses: which account gets whose mail. `@domain` is a domain's catchall."""


def _with_address(row: accounts.AddressRow) -> dict[str, object]:
    return {"address": row.address, **asdict(row)}


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


@address.command("list")
@json_option
@pass_context
def list_addresses(context: Context, as_json: bool) -> None:
    """All addresses."""
    with context.store.read() as connection:
        rows = accounts.list_addresses(connection)
    lines = [(row.address, row.account, row.mailbox) for row in rows]
    show([_with_address(row) for row in rows], as_json, table(("address", "account", "mailbox"), lines))


@address.command("remove")
@click.argument("text", metavar="ADDRESS")
@json_option
@pass_context
def remove_address(context: Context, text: str, as_json: bool) -> None:
    """Take an address away; its mail is refused from then on."""
    with context.changing() as changes:
        accounts.remove_address(changes.tx, text)
    show({"address": text, "removed": True}, as_json, f"address {text} removed")
