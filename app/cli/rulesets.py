"""mailctl ruleset: what becomes of an address's mail, by conditions; the first ruleset that matches counts."""

from dataclasses import asdict
from typing import Any

import click
import orjson

from app.cli.context import Context, json_option, pass_context, show, table
from mail.errors import Invalid
from mail.policy.rulesets import parse_ruleset
from mail.store import incoming


@click.group()
def ruleset() -> None:
    """Rules of one address for its arriving mail, in order; the first that matches counts."""


def _pair(text: str) -> list[str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise Invalid(public=f"--header {text}: should be NAME=VALUE, an expression each")
    return [name, value]


def _as_json(row: incoming.RulesetRow) -> dict[str, Any]:
    return {**asdict(row), "rule": orjson.loads(row.rule)}


@ruleset.command("add")
@click.argument("text", metavar="ADDRESS")
@click.option("--mail-from-regexp", "smtp_mail_from", help="Expression on the reverse-path.")
@click.option("--from-regexp", "msg_from", help="Expression on the From address.")
@click.option("--verified-domain", help="Proven by SPF or DKIM, or by the author's login here; what is below it too.")
@click.option(
    "--header", "headers", multiple=True, help="NAME=VALUE, expressions on a field in lower case; repeatable."
)
@click.option("--forward", "is_forward", is_flag=True, help="It is forwarded mail: do not judge the forwarder.")
@click.option("--list-domain", "list_allow_domain", help="It is from a mailing list of this domain: take it.")
@click.option("--accept-rejects-to", help="Keep in this mailbox what would be refused.")
@click.option("--mailbox", default="Inbox", show_default=True, help="Where it goes.")
@click.option("--comment", help="For whoever reads it.")
@click.option("--position", type=click.IntRange(min=1), help="Before the one there now; else behind all.")
@json_option
@pass_context
def add_ruleset(
    context: Context, text: str, headers: tuple[str, ...], position: int | None, as_json: bool, **given: Any
) -> None:
    """Give an address one more ruleset."""
    rule = {name: value for name, value in given.items() if value}
    if headers:
        rule["headers"] = [_pair(one) for one in headers]
    with context.changing() as changes:
        row = incoming.add_ruleset(changes.tx, text, orjson.dumps(rule).decode(), parse_ruleset, position=position)
    show(_as_json(row), as_json, f"ruleset {row.id} of {row.address} added")


@ruleset.command("list")
@click.argument("text", metavar="[ADDRESS]", required=False, default="")
@json_option
@pass_context
def list_rulesets(context: Context, text: str, as_json: bool) -> None:
    """All rulesets, or those of one address, in their order."""
    with context.store.read() as connection:
        rows = incoming.list_rulesets(connection, text=text)
    lines = [(row.address, row.position, row.id, row.rule) for row in rows]
    show([_as_json(row) for row in rows], as_json, table(("address", "position", "ruleset", "rule"), lines))


@ruleset.command("move")
@click.argument("text", metavar="ADDRESS")
@click.argument("number", metavar="RULESET", type=int)
@click.argument("position", type=click.IntRange(min=1))
@json_option
@pass_context
def move_ruleset(context: Context, text: str, number: int, position: int, as_json: bool) -> None:
    """Put a ruleset at another position."""
    with context.changing() as changes:
        row = incoming.move_ruleset(changes.tx, text, number, position)
    show(_as_json(row), as_json, f"ruleset {row.id} of {row.address} is at position {row.position}")


@ruleset.command("remove")
@click.argument("text", metavar="ADDRESS")
@click.argument("number", metavar="RULESET", type=int)
@json_option
@pass_context
def remove_ruleset(context: Context, text: str, number: int, as_json: bool) -> None:
    """Take a ruleset away."""
    with context.changing() as changes:
        incoming.remove_ruleset(changes.tx, text, number)
    show({"address": text, "id": number, "removed": True}, as_json, f"ruleset {number} of {text} removed")
