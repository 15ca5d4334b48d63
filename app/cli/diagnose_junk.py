"""mailctl diagnose junk: the junk filter's opinion of a message. Unlike the others it needs a store."""

from typing import Any

import click

from app.cli.context import Context, json_option, pass_context, show, table
from mail.check.junk import explain
from mail.errors import Invalid
from mail.store import accounts, incoming

MESSAGE_MAX = 200 << 20


@click.command()
@click.argument("message", type=click.File("rb"), default="-")
@click.option("--account", "name", help="Its name or an address of it; may be left out where there is one account.")
@json_option
@pass_context
def junk(context: Context, message: Any, name: str | None, as_json: bool) -> None:
    """Does the junk filter of an account take a message for junk, and because of which words?"""
    octets = message.read(MESSAGE_MAX)
    with context.store.read() as connection:
        if name is not None:
            row = accounts.find_account(connection, name)
        else:
            rows = accounts.list_accounts(connection)
            if len(rows) != 1:
                raise Invalid(public=f"there are {len(rows)} accounts; say which one with --account")
            row = rows[0]
        threshold = incoming.rules(connection, row.id).junk_threshold
        found = {"account": row.name, **explain(connection, row.id, octets, threshold)}
    show(found, as_json, lines(found))


def lines(found: dict[str, Any]) -> list[str]:
    """An explanation for people: the verdict, then the words by how loud they speak."""
    verdict = "junk" if found["junk"] else "not junk"
    if not found["significant"]:
        verdict = "not known: too little was learnt to say"
    told = [(one["word"], one["share"], one["spam"], one["ham"]) for one in (*found["spam_words"], *found["ham_words"])]
    return [
        f"account      {found['account']}",
        f"verdict      {verdict}",
        f"probability  {found['probability']} (junk above {found['threshold']})",
        f"learnt       {found['hams']} good messages, {found['spams']} junk",
        f"words        {found['words']} in the message, {found['known']} of them known",
        "",
        *table(("word", "speaks for junk", "in junk", "in good"), told),
    ]
