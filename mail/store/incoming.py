"""What accounts want done with arriving mail: an account's rules, and the rulesets of each of its addresses in order.

A ruleset is kept as JSON; who writes one hands in the parser that judges it, so that what is stored is always good.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from mail.errors import Invalid, NotFound
from mail.policy.account_rules import AccountRules, parse_rules, render_rules
from mail.store.accounts import find_address
from mail.store.schema import account, address, domain, ruleset

RULESETS_MAX = 100
RULESET_OCTETS_MAX = 16 << 10

# Raises Invalid, whose words are shown, for a text that is no ruleset.
Check = Callable[[str], object]


def json_object(text: str) -> dict[str, Any]:
    """What every ruleset is at least; Invalid otherwise."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(public=f"a ruleset is a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(public="a ruleset is a JSON object")
    return found


@dataclass(frozen=True, slots=True)
class RulesetRow:
    account_id: int
    id: int
    address: str
    domain: str
    localpart: str
    position: int
    rule: str


def rules(connection: Connection, account_id: int) -> AccountRules:
    """NotFound when there is no such account."""
    text = connection.execute(select(account.c.incoming).where(account.c.id == account_id)).scalar()
    if text is None:
        raise NotFound(public=f"no account {account_id}")
    return parse_rules(text)


def change_rules(tx: Connection, account_id: int, changes: dict[str, Any]) -> AccountRules:
    """Set some of an account's rules; Invalid names what cannot be. A rule set to its default follows the default."""
    merged = {**orjson.loads(render_rules(rules(tx, account_id))), **changes}
    made = parse_rules(orjson.dumps(merged).decode())
    tx.execute(update(account).where(account.c.id == account_id).values(incoming=render_rules(made)))
    return made


def all_rules(connection: Connection) -> dict[int, str]:
    """The JSON of every account whose rules are not the defaults."""
    wanted = select(account.c.id, account.c.incoming).where(account.c.incoming != "{}")
    return dict(connection.execute(wanted).all())


_RULESETS = (
    select(
        ruleset.c.account_id,
        ruleset.c.id,
        address.c.written,
        domain.c.name,
        ruleset.c.localpart,
        ruleset.c.position,
        ruleset.c.rule,
    )
    .join_from(ruleset, domain, ruleset.c.domain_id == domain.c.id)
    .join(
        address,
        (address.c.account_id == ruleset.c.account_id)
        & (address.c.domain_id == ruleset.c.domain_id)
        & (address.c.localpart == ruleset.c.localpart),
    )
    .order_by(domain.c.name, ruleset.c.localpart, ruleset.c.position)
)


def list_rulesets(connection: Connection, *, account_id: int | None = None, text: str = "") -> list[RulesetRow]:
    """All of them, those of an account, or those of one address; each address's in their order."""
    wanted = _RULESETS if account_id is None else _RULESETS.where(ruleset.c.account_id == account_id)
    if text:
        found = find_address(connection, text)
        wanted = wanted.where(domain.c.name == found.domain, ruleset.c.localpart == found.localpart)
    return [
        RulesetRow(owner, number, f"{written}@{name}", name, localpart, position, rule)
        for owner, number, written, name, localpart, position, rule in connection.execute(wanted)
    ]


def add_ruleset(tx: Connection, text: str, rule: str, check: Check, *, position: int | None = None) -> RulesetRow:
    """Put a ruleset at that position of an address, counted from 1, or behind the others."""
    if len(rule.encode()) > RULESET_OCTETS_MAX:
        raise Invalid(public=f"a ruleset may have {RULESET_OCTETS_MAX} octets")
    check(rule)
    found = find_address(tx, text)
    there = list_rulesets(tx, text=text)
    if len(there) >= RULESETS_MAX:
        raise Invalid(public=f"{found.address} has {RULESETS_MAX} rulesets already; that is the most")
    # Locked with the account, so that no two get one number.
    tx.execute(select(account.c.id).where(account.c.id == found.account_id).with_for_update())
    highest = select(func.max(ruleset.c.id)).where(ruleset.c.account_id == found.account_id)
    number = (tx.execute(highest).scalar() or 0) + 1
    domain_id = tx.execute(select(domain.c.id).where(domain.c.name == found.domain)).scalar_one()
    values = {
        "account_id": found.account_id,
        "id": number,
        "domain_id": domain_id,
        "localpart": found.localpart,
        "position": len(there) + 1,
        "rule": rule,
    }
    tx.execute(insert(ruleset), values)
    return move_ruleset(tx, text, number, position or len(there) + 1)


def move_ruleset(tx: Connection, text: str, number: int, position: int) -> RulesetRow:
    """Positions count from 1; one beyond the end is the end. NotFound names the ruleset."""
    there = list_rulesets(tx, text=text)
    one = _numbered(there, text, number)
    order = [other for other in there if other.id != number]
    order.insert(max(position, 1) - 1, one)
    _renumber(tx, order)
    return _numbered(list_rulesets(tx, text=text), text, number)


def remove_ruleset(tx: Connection, text: str, number: int) -> None:
    there = list_rulesets(tx, text=text)
    one = _numbered(there, text, number)
    tx.execute(delete(ruleset).where(ruleset.c.account_id == one.account_id, ruleset.c.id == number))
    _renumber(tx, [other for other in there if other.id != number])


def _numbered(there: list[RulesetRow], text: str, number: int) -> RulesetRow:
    for one in there:
        if one.id == number:
            return one
    raise NotFound(public=f"{text} has no ruleset {number}; `mailctl ruleset list {text}` shows those it has")


def _renumber(tx: Connection, order: list[RulesetRow]) -> None:
    for position, one in enumerate(order, 1):
        if one.position != position:
            which = (ruleset.c.account_id == one.account_id) & (ruleset.c.id == one.id)
            tx.execute(update(ruleset).where(which).values(position=position))
