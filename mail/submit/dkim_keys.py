"""The keys of our domains: made, replaced with an overlap, retired. What `mailctl dkim` asks for.

A key is made by the sign process and written down afterwards, so no transaction waits for it: a crash between the two
leaves a key nobody knows, which the chore removes (workers/dkim_keys.py).
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mail.dkim.keyring import KINDS
from mail.dkim.lifecycle import State
from mail.dkim.publish import not_published
from mail.dns.resolver import Resolver
from mail.store import dkim_keys
from mail.store.dkim_keys import KeyRow

DAY_MS = 86_400_000

# Domain, selector, kind: the record of a key made for it.
Make = Callable[[str, str, str], str]
Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


class NewKey(NamedTuple):
    selector: str
    kind: str
    record: str


def by_process(ask: Ask) -> Make:
    """Keys made by the sign process; raises Unavailable when it does not answer."""

    def make(domain: str, selector: str, kind: str) -> str:
        record: str = ask("make", {"domain": domain, "selector": selector, "kind": kind})["record"]
        return record

    return make


def of_state(rows: Iterable[KeyRow], state: State) -> list[KeyRow]:
    return [one for one in rows if one.state == state.value]


def lacking(rows: Iterable[KeyRow]) -> list[str]:
    """The kinds of key that the domain does not sign with."""
    return [kind for kind in KINDS if kind not in {one.kind for one in of_state(rows, State.ACTIVE)}]


def new_selector(kind: str, used: Collection[str], now: int) -> str:
    """Named by the day and the kind, as 20261125r, with a number where there was one before."""
    first = time.strftime("%Y%m%d", time.gmtime(now / 1000)) + kind[0]
    names = [first, *(f"{first}-{number}" for number in range(2, len(used) + 2))]
    return next(name for name in names if name not in used)


def make_keys(
    make: Make, domain: str, kinds: Sequence[str], rows: Collection[KeyRow], now: int, *, selector: str = ""
) -> list[NewKey]:
    """New keys for a domain that has these; `selector` names the one key of one kind."""
    used = {one.selector for one in rows}
    made = []
    for kind in kinds:
        name = selector or new_selector(kind, used, now)
        made.append(NewKey(name, kind, make(domain, name, kind)))
    return made


def write_down(tx: Connection, domain: str, keys: Iterable[NewKey], state: State, now: int) -> list[KeyRow]:
    return [
        dkim_keys.add_key(tx, domain, one.selector, kind=one.kind, record=one.record, state=state, now=now)
        for one in keys
    ]


async def faults(rows: Iterable[KeyRow], resolver: Resolver) -> dict[str, str]:
    """Why receivers would not find them, by selector; those that are published as they should be are not in it."""
    asked = {one.selector: await not_published(one.selector, one.domain, one.record, resolver) for one in rows}
    return {selector: why for selector, why in asked.items() if why}


def activate(tx: Connection, rows: Sequence[KeyRow], now: int, *, overlap_ms: int) -> None:
    """The next ones sign from now on. Those of the same kinds that did stay published for the overlap."""
    coming = of_state(rows, State.NEXT)
    kinds = {one.kind for one in coming}
    going = [one for one in of_state(rows, State.ACTIVE) if one.kind in kinds]
    dkim_keys.change_state(tx, going, "replace", now, retire_at=now + overlap_ms)
    dkim_keys.change_state(tx, coming, "activate", now)
