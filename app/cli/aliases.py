"""mailctl alias: one address for many others."""

from dataclasses import asdict

import click

from app.cli.context import Context, json_option, pass_context, show, table
from mail.accounts.routing import AliasRule
from mail.errors import Invalid
from mail.store import aliases


@click.group()
def alias() -> None:
    """Aliases: one address of ours that leads to others, here or elsewhere."""


@alias.group()
def member() -> None:
    """Who is behind an alias."""


def _as_json(row: AliasRule) -> dict[str, object]:
    return {"address": row.address, **asdict(row)}


def _policies(row: AliasRule) -> str:
    words = ["anyone may write" if row.post_public else "members may write"]
    words += ["members are shown"] if row.list_members else []
    words += ["members may send as it"] if row.allow_from else []
    return ", ".join(words)


@alias.command("add")
@click.argument("text", metavar="ADDRESS")
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True)
@click.option("--members-only", is_flag=True, help="Only members may write to it, by a From address that is proven.")
@click.option("--list-members", is_flag=True, help="Members may see who the members are.")
@click.option("--allow-from", is_flag=True, help="Members here may send as the alias.")
@json_option
@pass_context
def add_alias(
    context: Context,
    text: str,
    members: tuple[str, ...],
    members_only: bool,
    list_members: bool,
    allow_from: bool,
    as_json: bool,
) -> None:
    """Take mail for an address and give it to these."""
    with context.changing() as changes:
        row = aliases.add_alias(
            changes.tx,
            text,
            members,
            changes.now,
            post_public=not members_only,
            list_members=list_members,
            allow_from=allow_from,
        )
    show(_as_json(row), as_json, f"alias {row.address} added: {', '.join(row.members)}")


@alias.command("list")
@click.option("--domain", "domain_name", default="", help="Those of one domain.")
@json_option
@pass_context
def list_aliases(context: Context, domain_name: str, as_json: bool) -> None:
    """All aliases."""
    with context.store.read() as connection:
        rows = aliases.list_aliases(connection, domain_name=domain_name)
    lines = [(row.address, len(row.members), _policies(row)) for row in rows]
    show([_as_json(row) for row in rows], as_json, table(("alias", "members", "rules"), lines))


@alias.command("show")
@click.argument("text", metavar="ADDRESS")
@json_option
@pass_context
def show_alias(context: Context, text: str, as_json: bool) -> None:
    """One alias with its members."""
    with context.store.read() as connection:
        row = aliases.find_alias(connection, text)
    show(_as_json(row), as_json, [f"{row.address}: {_policies(row)}", *(f"  {one}" for one in row.members)])


@alias.command("set")
@click.argument("text", metavar="ADDRESS")
@click.option("--post-public/--members-only", default=None, help="Anyone may write to it, or only members.")
@click.option("--list-members/--hide-members", default=None, help="Members may see who the members are.")
@click.option("--allow-from/--no-allow-from", default=None, help="Members here may send as the alias.")
@json_option
@pass_context
def set_alias(context: Context, text: str, as_json: bool, **given: bool | None) -> None:
    """Change what is allowed with it."""
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise Invalid(public="nothing to set; `mailctl alias set --help` shows what there is")
    with context.changing() as changes:
        row = aliases.change_alias(changes.tx, text, **values)
    show(_as_json(row), as_json, f"alias {row.address}: {_policies(row)}")


@alias.command("remove")
@click.argument("text", metavar="ADDRESS")
@json_option
@pass_context
def remove_alias(context: Context, text: str, as_json: bool) -> None:
    """Take an alias away; its mail is refused from then on."""
    with context.changing() as changes:
        aliases.remove_alias(changes.tx, text)
    show({"address": text, "removed": True}, as_json, f"alias {text} removed")


@member.command("add")
@click.argument("text", metavar="ADDRESS")
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True)
@json_option
@pass_context
def add_member(context: Context, text: str, members: tuple[str, ...], as_json: bool) -> None:
    """Give an alias more members."""
    with context.changing() as changes:
        row = aliases.add_members(changes.tx, text, members, changes.now)
    show(_as_json(row), as_json, f"alias {row.address} has {len(row.members)} members")


@member.command("remove")
@click.argument("text", metavar="ADDRESS")
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True)
@json_option
@pass_context
def remove_member(context: Context, text: str, members: tuple[str, ...], as_json: bool) -> None:
    """Take members away; the last one stays as long as the alias."""
    with context.changing() as changes:
        row = aliases.remove_members(changes.tx, text, members)
    show(_as_json(row), as_json, f"alias {row.address} has {len(row.members)} members")
