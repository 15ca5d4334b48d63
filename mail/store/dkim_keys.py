"""The selectors of our domains: their public keys, which of them sign, which are to come and to go.

This is the one truth about them: private keys (the sign process's) without a row here are litter, and the routing
snapshot, from which listeners know who signs, is made of this.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from mail.address import parse_domain
from mail.dkim.lifecycle import State, moved
from mail.errors import Exists, NotFound
from mail.store.schema import dkim_key, domain


@dataclass(frozen=True, slots=True)
class KeyRow:
    """`retire_at`: when a retiring one is retired. Instants that have not come are None."""

    id: int
    domain: str
    selector: str
    kind: str
    record: str
    state: str
    made_at: int
    active_at: int | None
    retire_at: int | None
    retired_at: int | None


_KEYS = select(
    dkim_key.c.id,
    domain.c.name,
    dkim_key.c.selector,
    dkim_key.c.kind,
    dkim_key.c.record,
    dkim_key.c.state,
    dkim_key.c.made_at,
    dkim_key.c.active_at,
    dkim_key.c.retire_at,
    dkim_key.c.retired_at,
).join_from(dkim_key, domain, dkim_key.c.domain_id == domain.c.id)


def _row(values: Iterable[Any]) -> KeyRow:
    return KeyRow(*values)


def _domain_id(connection: Connection, name: str) -> int:
    # Not `accounts.find_domain`: the chores worker looks here too, and would have all of accounts in memory for it.
    found = connection.execute(select(domain.c.id).where(domain.c.name == parse_domain(name))).scalar()
    if found is None:
        raise NotFound(public=f"no domain {name}; `mailctl domain add {name}` adds it")
    return int(found)


def list_keys(connection: Connection, domain_name: str = "") -> list[KeyRow]:
    """Of all domains or of one, the oldest first. NotFound when there is no such domain."""
    wanted = _KEYS.order_by(domain.c.name, dkim_key.c.id)
    if domain_name:
        wanted = wanted.where(domain.c.id == _domain_id(connection, domain_name))
    return [_row(values) for values in connection.execute(wanted)]


def find_key(connection: Connection, domain_name: str, selector: str) -> KeyRow:
    found = [one for one in list_keys(connection, domain_name) if one.selector == selector]
    if not found:
        raise NotFound(public=f"{domain_name} has no selector {selector}; `mailctl dkim list` shows those it has")
    return found[0]


def signing(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The selectors that sign, by domain."""
    found: dict[str, tuple[str, ...]] = {}
    wanted = (
        select(domain.c.name, dkim_key.c.selector)
        .join_from(dkim_key, domain, dkim_key.c.domain_id == domain.c.id)
        .where(dkim_key.c.state == State.ACTIVE.value)
        .order_by(dkim_key.c.id)
    )
    for name, selector in connection.execute(wanted):
        found[name] = (*found.get(name, ()), selector)
    return found


def add_key(
    tx: Connection, domain_name: str, selector: str, *, kind: str, record: str, state: State, now: int
) -> KeyRow:
    """NotFound without the domain, Exists when the selector was ever used."""
    domain_id = _domain_id(tx, domain_name)
    used = select(dkim_key.c.id).where(dkim_key.c.domain_id == domain_id, dkim_key.c.selector == selector)
    if tx.execute(used).first() is not None:
        raise Exists(public=f"{domain_name} has or had a selector {selector}; give the new one another name")
    tx.execute(
        insert(dkim_key),
        {
            "domain_id": domain_id,
            "selector": selector,
            "kind": kind,
            "record": record,
            "state": state.value,
            "made_at": now,
            "active_at": now if state is State.ACTIVE else None,
        },
    )
    return find_key(tx, domain_name, selector)


def change_state(
    tx: Connection, rows: Collection[KeyRow], event: str, now: int, *, retire_at: int | None = None
) -> None:
    """Move them all. Invalid when the event does not apply to one. `retire_at`: for what is replaced."""
    for one in rows:
        state = moved(State(one.state), event)
        values: dict[str, object] = {"state": state.value}
        if state is State.ACTIVE:
            values["active_at"] = now
        elif state is State.RETIRING:
            values["retire_at"] = retire_at
        else:
            values |= {"retired_at": now, "retire_at": None}
        tx.execute(update(dkim_key).where(dkim_key.c.id == one.id), values)


def retire_due(tx: Connection, now: int) -> list[KeyRow]:
    """Retire what has been retiring for long enough; returns what was."""
    wanted = _KEYS.where(dkim_key.c.state == State.RETIRING.value, dkim_key.c.retire_at <= now)
    due = [_row(values) for values in tx.execute(wanted)]
    change_state(tx, due, "retire", now)
    return due
