"""mailctl dkim: the keys that sign a domain's mail, and the DNS records for them."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from app.cli.context import Context, json_option, pass_context, show, table
from mail.accounts.snapshot import LOOK_SECONDS
from mail.dkim import publish
from mail.dkim.key import key_name
from mail.dkim.keyring import KINDS
from mail.dkim.lifecycle import State
from mail.dns.live import resolver_of
from mail.errors import Exists, Invalid, Unavailable
from mail.store import accounts, dkim_keys
from mail.store.dkim_keys import KeyRow
from mail.submit import dkim_keys as keys


@click.group()
def dkim() -> None:
    """Keys that sign a domain's mail. RFC 6376."""


def _as_json(row: KeyRow) -> dict[str, Any]:
    """The row, with what is to be published for it."""
    return {
        **asdict(row),
        "name": key_name(row.selector, row.domain),
        "type": "TXT",
        "strings": publish.strings(row.record),
        "zone": publish.zone_line(row.selector, row.domain, row.record),
    }


def _to_publish(rows: Iterable[KeyRow]) -> list[str]:
    return [publish.zone_line(one.selector, one.domain, one.record) for one in rows]


def _domain_and_rows(context: Context, name: str) -> tuple[str, list[KeyRow]]:
    """The domain's own spelling, and its selectors. NotFound."""
    with context.store.read() as connection:
        return accounts.find_domain(connection, name).name, dkim_keys.list_keys(connection, name)


def _made(
    context: Context, domain: str, rows: list[KeyRow], kinds: Iterable[str], state: State, selector: str = ""
) -> list[KeyRow]:
    make, now = keys.by_process(context.sign), context.clock.wall_ms()
    made = keys.make_keys(make, domain, tuple(kinds), rows, now, selector=selector)
    with context.changing() as changes:
        return keys.write_down(changes.tx, domain, made, state, changes.now)


def give_keys(context: Context, domain: str) -> list[dict[str, Any]]:
    """Keys for a new domain, which sign at once, as JSON; none when the sign process does not answer."""
    try:
        return [_as_json(one) for one in _made(context, domain, [], KINDS, State.ACTIVE)]
    except Unavailable:
        return []


def words_for_new(domain: str, given: list[dict[str, Any]]) -> list[str]:
    if not given:
        return [f"it has no DKIM keys, as sign does not answer; `mailctl dkim add {domain}` makes them"]
    return ["publish its DKIM keys:", *(one["zone"] for one in given)]


@contextlib.contextmanager
def forgetting_keys(context: Context, name: str) -> Iterator[None]:
    """After the block, which removes the domain, its private keys are gone too; at the latest by the chore."""
    _, rows = _domain_and_rows(context, name)
    yield
    _remove(context, rows)


def _remove(context: Context, rows: Iterable[KeyRow]) -> None:
    with contextlib.suppress(Unavailable):
        for one in rows:
            context.sign("remove", {"domain": one.domain, "selector": one.selector})


def _day(at: int | None) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at / 1000)) if at else ""


@dkim.command("list")
@click.argument("name", metavar="[DOMAIN]", required=False, default="")
@click.option("--dns", is_flag=True, help="Print the DNS records of those that are to be published.")
@json_option
@pass_context
def list_keys(context: Context, name: str, dns: bool, as_json: bool) -> None:
    """The selectors of a domain, or of all, with their states and times."""
    with context.store.read() as connection:
        rows = dkim_keys.list_keys(connection, name)
    if dns:
        rows = [one for one in rows if one.state != State.RETIRED.value]
        show([_as_json(one) for one in rows], as_json, _to_publish(rows))
        return
    lines = [
        (one.domain, one.selector, one.kind, one.state, *map(_day, (one.made_at, one.active_at)))
        + (_day(one.retire_at or one.retired_at),)
        for one in rows
    ]
    heads = ("domain", "selector", "kind", "state", "made", "signs since", "retired")
    show([_as_json(one) for one in rows], as_json, table(heads, lines))


@dkim.command("add")
@click.argument("name", metavar="DOMAIN")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind only; else of each kind it does not sign with.")
@click.option("--selector", default="", help="Its name, with --kind; else one is made from the date.")
@json_option
@pass_context
def add_keys(context: Context, name: str, kind: str | None, selector: str, as_json: bool) -> None:
    """Make keys for a domain that has none; they sign at once. Publish the records that are printed."""
    if selector and kind is None:
        raise Invalid(public="--selector names one key: say its --kind too")
    domain, rows = _domain_and_rows(context, name)
    kinds = [one for one in keys.lacking(rows) if kind in (None, one)]
    if not kinds:
        raise Exists(public=f"{domain} signs with such keys already; `mailctl dkim rotate {domain}` replaces them")
    made = _made(context, domain, rows, kinds, State.ACTIVE, selector)
    show([_as_json(one) for one in made], as_json, [f"{domain} signs; publish:", *_to_publish(made)])


@dkim.command("rotate")
@click.argument("name", metavar="DOMAIN")
@click.option("--force", is_flag=True, help="Sign with the new keys although they are not found in the DNS.")
@click.option(
    "--overlap-days", type=click.IntRange(min=0), help="How long the old records stay; else as the settings say."
)
@json_option
@pass_context
def rotate_keys(context: Context, name: str, force: bool, overlap_days: int | None, as_json: bool) -> None:
    """Replace its keys: the first time makes new ones to be published, the second time signs with them."""
    domain, rows = _domain_and_rows(context, name)
    coming = keys.of_state(rows, State.NEXT)
    if not coming:
        kinds = [one.kind for one in keys.of_state(rows, State.ACTIVE)] or KINDS
        coming = _made(context, domain, rows, dict.fromkeys(kinds), State.NEXT)
        words = [f"publish these, then run `mailctl dkim rotate {domain}` again:", *_to_publish(coming)]
        show({"activated": False, "keys": [_as_json(one) for one in coming]}, as_json, words)
        return
    if not force:
        _check_published(context, coming)
    days = context.settings.dkim_overlap_days if overlap_days is None else overlap_days
    with context.changing() as changes:
        rows = dkim_keys.list_keys(changes.tx, domain)
        keys.activate(changes.tx, rows, changes.now, overlap_ms=days * keys.DAY_MS)
        rows = dkim_keys.list_keys(changes.tx, domain)
    going = keys.of_state(rows, State.RETIRING)
    words = [f"{domain} signs with {', '.join(one.selector for one in coming)}"]
    words += [f"leave the record of {one.selector} until {_day(one.retire_at)}" for one in going]
    show({"activated": True, "keys": [_as_json(one) for one in rows]}, as_json, words)


def _check_published(context: Context, coming: list[KeyRow]) -> None:
    """Invalid says which are not, and what is to be published."""
    resolver = resolver_of(context.settings.resolver)
    faults = asyncio.run(keys.faults(coming, resolver))
    if faults:
        missing = "; ".join(f"{selector}: {why}" for selector, why in faults.items())
        lines = _to_publish(one for one in coming if one.selector in faults)
        words = "\n".join([f"not published as they should be, so nothing was changed ({missing}):", *lines])
        raise Invalid(public=f"{words}\nWait until the DNS has them, or use --force")


@dkim.command("retire")
@click.argument("name", metavar="DOMAIN")
@click.argument("selector")
@click.option("--force", is_flag=True, help="Although it is the last one that signs: its mail leaves unsigned then.")
@json_option
@pass_context
def retire_key(context: Context, name: str, selector: str, force: bool, as_json: bool) -> None:
    """Sign no more with a selector, and remove its private key. Its record may go once its mail has arrived."""
    domain, rows = _domain_and_rows(context, name)
    signing = keys.of_state(rows, State.ACTIVE)
    if [one.selector for one in signing] == [selector] and not force:
        raise Invalid(public=f"{selector} is the last that signs for {domain}; --force retires it all the same")
    with context.changing() as changes:
        row = dkim_keys.find_key(changes.tx, domain, selector)
        dkim_keys.change_state(changes.tx, [row], "retire", changes.now)
        row = dkim_keys.find_key(changes.tx, domain, selector)
    if signing:
        # Until every listener has seen it: those that have not ask for the key, and users would be told to try again.
        time.sleep(2 * LOOK_SECONDS)
    _remove(context, [row])
    show(_as_json(row), as_json, f"selector {selector} of {domain} retired")
