"""mailctl junk explain, whatif: what the junk filter makes of a message, and what another threshold would make of all.

Commands for the group `junk`.
"""

import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from app.cli.context import Context, json_option, pass_context, plain, show, table
from app.cli.queue import when
from app.cli.trace import moment
from mail.check.content import by_content
from mail.check.junk import explain as explained
from mail.errors import Invalid, NotFound
from mail.junk.classify import SIGNIFICANT_HAMS
from mail.message.display import shown
from mail.receive.whatif import Change, WhatIf
from mail.store import accounts, incoming, messages, traces
from mail.store.accounts import AccountRow

MESSAGE_MAX = 200 << 20
_BLOB_ID = re.compile(r"[0-9a-f]{32}")


@click.command()
@click.argument("message")
@click.option("--account", "name", help="Whose filter; may be left out where only one account comes into question.")
@json_option
@pass_context
def explain(context: Context, message: str, name: str | None, as_json: bool) -> None:
    """Why a message is junk or not: its words, their weights, the verdict. MESSAGE is a file, - for standard input,
    or the Message-ID or blob of a stored one."""
    with context.store.read() as connection:
        row, octets = _found(context, connection, message, name)
        rules = incoming.rules(connection, row.id)
        found = explained(connection, row.id, octets, rules.junk_threshold)
    usual, strict = by_content(found["probability"], significant=found["significant"], threshold=rules.junk_threshold)
    verdict = {
        "account": row.name,
        "junk_filter": rules.junk_filter,
        "reason": usual.reason,
        "refused": usual.is_reject,
        "strict_reason": strict.reason,
        "strict_refused": strict.is_reject,
    }
    show(verdict | found, as_json, _explanation(verdict | found))


def _found(context: Context, connection: Connection, message: str, name: str | None) -> tuple[AccountRow, bytes]:
    """The account whose filter is asked, and the message."""
    row = accounts.find_account(connection, name) if name else None
    octets = _given(message)
    if octets is not None:
        return row or _only(accounts.list_accounts(connection)), octets
    account_id = row.id if row else None
    if _BLOB_ID.fullmatch(message):
        copies = messages.stored(connection, blob_id=message, account_id=account_id)
    else:
        copies = messages.stored(connection, message_id=message.strip("<>"), account_id=account_id)
    if not copies:
        raise NotFound(public=f"{message} is no file here, and no Message-ID or blob of a message that is stored")
    owners = {one.account_id for one in copies}
    row = row or _only([one for one in accounts.list_accounts(connection) if one.id in owners])
    copy = next(one for one in copies if one.account_id == row.id)
    return row, copy.octets if copy.octets is not None else context.blobs.read(copy.folder, copy.blob_id)


def _given(message: str) -> bytes | None:
    """What is handed in; None for the name of a stored message."""
    if message == "-":
        return sys.stdin.buffer.read(MESSAGE_MAX)
    path = Path(message)
    if message.startswith("<") or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MESSAGE_MAX)


def _only(rows: list[AccountRow]) -> AccountRow:
    if len(rows) != 1:
        names = ", ".join(one.name for one in rows[:10])
        raise Invalid(public=f"{len(rows)} accounts come into question; say which one with --account ({names})")
    return rows[0]


def _explanation(found: dict[str, Any]) -> list[str]:
    told = [
        (shown(one["word"]), f"{one['share']:.3f}", one["spam"], one["ham"])
        for one in (*found["spam_words"], *found["ham_words"])
    ]
    return [
        f"account      {found['account']}",
        f"verdict      {_verdict(found)}",
        f"probability  {found['probability']:.4f}, junk above {found['threshold']}",
        f"learnt       {found['hams']} good messages, {found['spams']} junk",
        f"words        {found['words']} in the message, {found['known']} of them known",
        "",
        *table(("word", "speaks for junk", "in junk", "in good"), told),
    ]


def _verdict(found: dict[str, Any]) -> str:
    if not found["junk_filter"]:
        return "taken: the account's junk filter is switched off"
    if not found["significant"]:
        return f"taken: too little was learnt to believe it, {found['hams']} of {SIGNIFICANT_HAMS} good messages"
    if found["refused"]:
        return f"refused ({found['reason']}), unless the sender is known"
    if found["strict_refused"]:
        return f"taken; refused ({found['strict_reason']}) from strangers without TLS or reverse DNS, or not addressed"
    return "taken"


@click.command()
@click.option("--threshold", type=click.FloatRange(0, 1), required=True, help="The other threshold.")
@click.option("--last", type=click.IntRange(1), default=1000, show_default=True, help="How many decisions to look at.")
@click.option("--account", "name", help="Only those of this account.")
@click.option("--since", help="Only since then: 12h, 2d, or a date.")
@click.option("--show", "most", type=click.IntRange(0, 10_000), default=50, show_default=True, help="Changes to list.")
@json_option
@pass_context
def whatif(
    context: Context, threshold: float, last: int, name: str | None, since: str | None, most: int, as_json: bool
) -> None:
    """What another threshold of the junk filter would have changed about the last messages. Changes nothing."""
    with context.store.read() as connection:
        account_id = accounts.find_account(connection, name).id if name else None
    made = WhatIf(threshold, last)
    records = traces.decisions(
        context.store, account_id=account_id, since=moment(since, context.clock.wall_ms()) if since else 0
    )
    changes = made.changes(records)
    listed = list(islice(changes, most))
    left_off = sum(1 for _ in changes)
    value = {**plain(made), "changes": [plain(one) for one in listed], "left_off": left_off}
    show(value, as_json, [*_changes(listed), *([f"and {left_off:,} more"] if left_off else []), "", *_summary(made)])


def _changes(listed: list[Change]) -> Iterator[str]:
    heads = ("when", "from", "to", "score", "was", "would be", "subject")
    yield from table(
        heads,
        [
            (
                when(one.at),
                shown(one.mail_from or "<>"),
                shown(one.rcpt_to),
                "-" if one.score is None else f"{one.score:.3f}",
                f"{one.action}, {one.reason}",
                f"{one.new_action}, {one.new_reason}",
                shown(one.subject)[:40],
            )
            for one in listed
        ],
    )


def _summary(made: WhatIf) -> Iterator[str]:
    yield (
        f"of {made.decided:,} messages {made.refused:,} would have been refused that were taken,"
        f" {made.taken:,} taken that were refused"
    )
    if made.otherwise:
        yield f"{made.otherwise:,} would have been refused for another reason"
    if made.skipped:
        yield f"{made.skipped:,} left out: mail of our own users, and what was refused before it was read"
