"""mailctl trace: what happened to a message, and why."""

import re
import time

import click

from app.cli.context import Context, json_option, pass_context, plain, print_json, table
from app.cli.queue import when
from mail.address import parse_address
from mail.errors import BadAddress, Invalid
from mail.message.display import shown
from mail.policy import story
from mail.store import accounts, traces
from mail.store.traces import TraceRow

_SPAN = re.compile(r"([0-9]+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CID = re.compile(r"[0-9a-f]{16}")


def moment(text: str, now: int) -> int:
    """`30m`, `2d` (ago) or a date like 2026-11-24 or 2026-11-24T10:00; milliseconds."""
    match = _SPAN.fullmatch(text)
    if match:
        return now - int(match[1]) * _UNITS[match[2]] * 1000
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            return int(time.mktime(time.strptime(text, form))) * 1000
        except ValueError:
            continue
    raise Invalid(public=f"{text!r} is no time: write 30m, 12h, 2d, 2026-11-24 or 2026-11-24T10:00")


def wanted(text: str) -> dict[str, str]:
    """What is searched for: a Message-ID in angle brackets, a conversation id, else an address."""
    if text.startswith("<"):
        return {"message_id": text.strip("<>")}
    if _CID.fullmatch(text):
        return {"cid": text}
    try:
        return {"address": str(parse_address(text, strict=False))}
    except BadAddress:
        return {"address": text}


@click.command()
@click.argument("what", required=False)
@click.option("--since", help="30m, 12h, 2d, or a date.")
@click.option("--until", help="The same.")
@click.option("--verdict", default="", help="accepted, refused, delivered, deferred, failed or held.")
@click.option("--reason", default="", help="A reason word, as junk-content; docs/OPERATIONS.md has all.")
@click.option("--account", "account_name", help="Only of this account.")
@click.option(
    "-n", "most", type=click.IntRange(1, traces.FOUND_MAX), default=100, show_default=True, help="At most this many."
)
@click.option("--why", is_flag=True, help="Tell the whole story of each.")
@json_option
@pass_context
def trace(
    context: Context,
    what: str | None,
    since: str | None,
    until: str | None,
    verdict: str,
    reason: str,
    account_name: str | None,
    most: int,
    why: bool,
    as_json: bool,
) -> None:
    """What happened to a message, newest first: by address, Message-ID or conversation id. One alone is told whole."""
    now = context.clock.wall_ms()
    with context.store.read() as connection:
        account_id = accounts.find_account(connection, account_name).id if account_name else None

        def found(sought: dict[str, str]) -> list[TraceRow]:
            return traces.find(
                connection,
                **sought,
                verdict=verdict,
                reason=reason,
                account_id=account_id,
                since=moment(since, now) if since else 0,
                until=moment(until, now) if until else None,
                most=most,
            )

        rows = found(wanted(what) if what else {})
        if not rows and what and "@" in what:
            # A Message-ID looks like an address.
            rows = found({"message_id": what.strip("<>")})
    if as_json:
        print_json(
            [{**plain(row), "detail": story.in_full(row.detail), "sentence": story.sentence(row, when)} for row in rows]
        )
    elif why or len(rows) == 1:
        click.echo("\n\n".join("\n".join(story.story(row, when)) for row in rows) or "none")
    else:
        click.echo("\n".join(_table(rows)))


def _table(rows: list[TraceRow]) -> list[str]:
    heads = ("when", "way", "from", "to", "verdict", "reason", "message-id", "cid")
    lines = [
        (
            when(row.at),
            row.direction,
            row.mail_from or "<>",
            row.rcpt_to,
            row.verdict,
            row.reason,
            row.message_id,
            row.cid,
        )
        for row in rows
    ]
    return table(heads, [[shown(cell) for cell in line] for line in lines])
