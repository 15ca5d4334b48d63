"""Aliases: one address of ours for many others, here or elsewhere (features B02).

A member here is an address or alias there is, kept as its owner wrote it; one elsewhere is kept as given. An alias has
at least one member; aliases may be members of each other, and circles end by themselves (`mail.accounts.routing`).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from mail.accounts.routing import MEMBERS_MAX, AliasRule
from mail.address import Address, parse_address
from mail.errors import BadAddress, Exists, Invalid, NotFound
from mail.store.accounts import find_address, leave_aliases, new_name, place
from mail.store.schema import alias, alias_member, domain

_ALIASES = select(
    alias.c.id,
    domain.c.name,
    alias.c.localpart,
    alias.c.written,
    alias.c.post_public,
    alias.c.list_members,
    alias.c.allow_from,
).join_from(alias, domain, alias.c.domain_id == domain.c.id)


def list_aliases(connection: Connection, *, domain_name: str = "") -> list[AliasRule]:
    wanted = _ALIASES.order_by(domain.c.name, alias.c.localpart)
    if domain_name:
        wanted = wanted.where(domain.c.name == domain_name)
    members: dict[int, list[str]] = {}
    for alias_id, text in connection.execute(
        select(alias_member.c.alias_id, alias_member.c.address).order_by(alias_member.c.address)
    ):
        members.setdefault(alias_id, []).append(text)
    return [AliasRule(*values, members=tuple(members.get(values[0], ()))) for values in connection.execute(wanted)]


def find_alias(connection: Connection, text: str) -> AliasRule:
    """NotFound names the alias."""
    row, localpart = place(connection, text)
    values = connection.execute(_ALIASES.where(alias.c.domain_id == row.id, alias.c.localpart == localpart)).first()
    if values is None:
        raise NotFound(public=f"no alias {text}; `mailctl alias list` shows those there are")
    wanted = select(alias_member.c.address).where(alias_member.c.alias_id == values[0])
    members = connection.execute(wanted.order_by(alias_member.c.address)).scalars()
    return AliasRule(*values, members=tuple(members))


def add_alias(
    tx: Connection,
    text: str,
    members: Sequence[str],
    now: int,
    *,
    post_public: bool = True,
    list_members: bool = False,
    allow_from: bool = False,
) -> AliasRule:
    """Raises as `new_name` and `add_members`; Invalid without members."""
    if text.startswith("@"):
        raise BadAddress(public=f"{text}: a catchall is an address of an account, not an alias")
    if not members:
        raise Invalid(public=f"alias {text} needs at least one member")
    row, localpart, written = new_name(tx, text)
    values = {
        "domain_id": row.id,
        "localpart": localpart,
        "written": written,
        "post_public": post_public,
        "list_members": list_members,
        "allow_from": allow_from,
        "created_at": now,
    }
    tx.execute(insert(alias), values)
    return add_members(tx, text, members, now)


def change_alias(tx: Connection, text: str, **values: bool) -> AliasRule:
    """Set post_public, list_members, allow_from."""
    found = find_alias(tx, text)
    if values:
        tx.execute(update(alias).where(alias.c.id == found.id).values(**values))
    return find_alias(tx, text)


def remove_alias(tx: Connection, text: str) -> None:
    """With its own memberships. Invalid when it is the last member of another."""
    found = find_alias(tx, text)
    leave_aliases(tx, [found.address])
    tx.execute(delete(alias_member).where(alias_member.c.alias_id == found.id))
    tx.execute(delete(alias).where(alias.c.id == found.id))


def add_members(tx: Connection, text: str, members: Sequence[str], now: int) -> AliasRule:
    """Exists for one that is a member, NotFound for one here that does not exist, Invalid for itself and too many."""
    found = find_alias(tx, text)
    known = set(found.members)
    rows: list[dict[str, Any]] = []
    for given in members:
        member = _spelled(tx, given)
        if member == found.address:
            raise Invalid(public=f"{member} cannot be a member of itself")
        if member in known:
            raise Exists(public=f"{member} is a member of {found.address} already")
        known.add(member)
        rows.append({"alias_id": found.id, "address": member, "created_at": now})
    if len(known) > MEMBERS_MAX:
        raise Invalid(public=f"alias {found.address} may have at most {MEMBERS_MAX} members")
    tx.execute(insert(alias_member), rows)
    return find_alias(tx, text)


def remove_members(tx: Connection, text: str, members: Sequence[str]) -> AliasRule:
    """NotFound for one that is none; Invalid when none would be left."""
    found = find_alias(tx, text)
    going: set[str] = set()
    for given in members:
        member = _as_member(tx, given, found)
        if member is None:
            raise NotFound(public=f"{given} is no member of {found.address}; `mailctl alias show {found.address}`")
        going.add(member)
    if going.issuperset(found.members):
        raise Invalid(public=f"{found.address} would have no member left; `mailctl alias remove {found.address}` first")
    which = (alias_member.c.alias_id == found.id) & alias_member.c.address.in_(sorted(going))
    tx.execute(delete(alias_member).where(which))
    return find_alias(tx, text)


def _as_member(connection: Connection, given: str, of: AliasRule) -> str | None:
    plain = str(parse_address(given))
    if plain in of.members:
        return plain
    try:
        spelled = _spelled(connection, given)
    except NotFound:
        return None
    return spelled if spelled in of.members else None


def _spelled(connection: Connection, given: str) -> str:
    """How a member is kept."""
    parsed = parse_address(given)
    ours = connection.execute(select(domain.c.id).where(domain.c.name == parsed.domain)).first()
    if ours is None:
        return str(parsed)
    row, localpart = place(connection, given)
    wanted = select(alias.c.written).where(alias.c.domain_id == row.id, alias.c.localpart == localpart)
    written = connection.execute(wanted).scalar()
    return str(Address(written, row.name)) if written is not None else find_address(connection, given).address
