"""mailctl queue: what waits, why, and what to do with it."""

import time
from collections.abc import Callable

import click

from app.cli.context import Context, json_option, pass_context, plain, print_json, show, table
from mail.errors import NotFound
from mail.queue.states import OPEN, State
from mail.store import accounts, queue_admin


@click.group()
def queue() -> None:
    """Outgoing mail: one entry for each message and recipient."""


def when(at: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1000)) if at else "-"


@queue.command("list")
@click.option("--account", "account_name", help="Only of this account.")
@click.option("--to", "rcpt_to", default="", help="Recipients that contain this.")
@click.option("--from", "mail_from", default="", help="Senders that contain this.")
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in State]))
@click.option("-n", "most", default=1000, show_default=True, help="At most this many.")
@json_option
@pass_context
def list_queue(
    context: Context,
    account_name: str | None,
    rcpt_to: str,
    mail_from: str,
    states: tuple[str, ...],
    most: int,
    as_json: bool,
) -> None:
    """What waits, by next attempt."""
    with context.store.read() as connection:
        account_id = accounts.find_account(connection, account_name).id if account_name else None
        rows = queue_admin.list_queue(
            connection,
            states=[State(state) for state in states] or OPEN,
            account_id=account_id,
            rcpt_to=rcpt_to,
            mail_from=mail_from,
            most=most,
        )
    heads = ("id", "state", "from", "to", "attempts", "next attempt", "last reply")
    lines = [
        (
            row.id,
            row.state,
            row.mail_from or "<>",
            row.rcpt_to,
            row.attempts,
            when(row.next_attempt_at),
            f"{row.last_code or ''} {row.last_text}"[:60].strip(),
        )
        for row in rows
    ]
    show(rows, as_json, table(heads, lines))


@queue.command("show")
@click.argument("number", type=int)
@json_option
@pass_context
def show_entry(context: Context, number: int, as_json: bool) -> None:
    """One entry with all its attempts."""
    with context.store.read() as connection:
        row, attempts = queue_admin.show(connection, number)
    if as_json:
        print_json({**plain(row), "attempt_history": attempts})
        return
    for name, value in plain(row).items():
        click.echo(f"{name:18} {when(value) if name.endswith('_at') else value}")
    for line in table(
        ("attempt", "started", "result", "host", "reply"),
        [
            (
                one["number"],
                when(one["started_at"]),
                one["result"] or "running",
                f"{one['host']} {one['ip']}".strip(),
                f"{one['code'] or ''} {one['enhanced']} {one['text']}".strip(),
            )
            for one in attempts
        ],
    ):
        click.echo(line)


def _changed(context: Context, numbers: tuple[int, ...], changed: list[int], what: str, as_json: bool) -> None:
    left = sorted(set(numbers) - set(changed))
    if not changed:
        raise NotFound(
            public=f"none of {', '.join(map(str, numbers))} can be {what}; `mailctl queue list` shows states"
        )
    words = [f"{len(changed)} {what}"]
    if left:
        words.append(f"not {what}, because unknown or in another state: {', '.join(map(str, left))}")
    show({"changed": sorted(changed), "unchanged": left}, as_json, words)


def numbers_argument(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("numbers", type=int, nargs=-1, required=True)(command)


@queue.command("retry")
@numbers_argument
@json_option
@pass_context
def retry(context: Context, numbers: tuple[int, ...], as_json: bool) -> None:
    """Try them now."""
    with context.store.write() as tx:
        changed = queue_admin.retry(tx, numbers, context.clock.wall_ms())
    _changed(context, numbers, changed, "due now", as_json)


@queue.command("hold")
@numbers_argument
@json_option
@pass_context
def hold(context: Context, numbers: tuple[int, ...], as_json: bool) -> None:
    """Do not try them until they are released."""
    with context.store.write() as tx:
        changed = queue_admin.hold(tx, numbers)
    _changed(context, numbers, changed, "held", as_json)


@queue.command("release")
@numbers_argument
@json_option
@pass_context
def release(context: Context, numbers: tuple[int, ...], as_json: bool) -> None:
    """Let held ones run again."""
    with context.store.write() as tx:
        changed = queue_admin.release(tx, numbers)
    _changed(context, numbers, changed, "released", as_json)


@queue.command("fail")
@numbers_argument
@click.option("--reason", default="failed by the administrator", show_default=True, help="Told to the sender.")
@json_option
@pass_context
def fail(context: Context, numbers: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Give them up and tell their senders (DSN)."""
    with context.store.write() as tx:
        changed = queue_admin.fail(tx, numbers, context.clock.wall_ms(), reason)
    _changed(context, numbers, changed, "failed", as_json)


@queue.command("drop")
@numbers_argument
@json_option
@pass_context
def drop(context: Context, numbers: tuple[int, ...], as_json: bool) -> None:
    """Give them up without telling anybody."""
    with context.store.write() as tx:
        changed = queue_admin.drop(tx, numbers, context.clock.wall_ms())
    _changed(context, numbers, changed, "dropped", as_json)
