"""The address a record of the trace is also found by: of `Ann+news@a.example` that is `ann@a.example`.

    written                 key
    ann@a.example, Ann@…    none: the search of the address itself folds the case of ASCII letters
    ann+news@a.example      ann@a.example, where + is a separator of the domain
    ann+work@a.example      none, where that is an address or an alias of its own
    Ända@a.example          ända@a.example: SQLite folds ASCII only

A key is that of the day the record was written. Most addresses have none, so that few records need more room.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, union_all

from mail.address import Address, canonical, parse_address
from mail.errors import BadAddress
from mail.store.rows import among, many, plain
from mail.store.schema import address, alias, domain

# No separator is a letter, a digit or a dot (`mail.store.accounts.checked_separators`).
_PLAIN = re.compile(r"[A-Za-z0-9.]*")


class _Domain(NamedTuple):
    id: int
    name: str
    separators: str
    case_sensitive: bool


def keys(connection: Connection, written: Iterable[str]) -> dict[str, str]:
    """The key of each address that has one."""
    odd: dict[str, Address] = {}
    for text in written:
        if _PLAIN.fullmatch(text.rpartition("@")[0]):
            continue
        try:
            odd[text] = parse_address(text, strict=False)
        except BadAddress:
            continue
    if not odd:
        return {}
    ours = _domains(connection, {one.domain for one in odd.values()})
    own = _own(connection, odd.values(), ours)
    found: dict[str, str] = {}
    for text, one in odd.items():
        rule = ours.get(one.domain)
        cut = rule is not None and (rule.id, _whole(one, rule)) not in own
        key = folded(one, rule.separators if rule is not None and cut else "")
        if key != text.lower() or not text.isascii() and key != text:
            found[text] = key
    return found


def key_of(connection: Connection, text: str) -> str:
    """What to look for among keys for who asks for this address; empty for one with a separator, which means itself."""
    try:
        asked = parse_address(text, strict=False)
    except BadAddress:
        return ""
    key = keys(connection, [text]).get(text, folded(asked))
    return key if key == folded(asked) else ""


def folded(one: Address, separators: str = "") -> str:
    return str(Address(canonical(one.localpart, separators=separators, case_sensitive=False), one.domain))


def _whole(one: Address, rule: _Domain) -> str:
    return canonical(one.localpart, separators="", case_sensitive=rule.case_sensitive)


def _domains(connection: Connection, names: Iterable[str]) -> dict[str, _Domain]:
    found = connection.execute(_rules(connection.dialect.name), {"names": many(connection, names)})
    return {row[1]: _Domain(*row) for row in plain(found).fetchall()}


def _own(connection: Connection, written: Iterable[Address], ours: dict[str, _Domain]) -> set[tuple[int, str]]:
    """(domain id, localpart) of those that are addresses or aliases as they stand, separators and all."""
    wanted = {_whole(one, ours[one.domain]) for one in written if one.domain in ours}
    if not wanted:
        return set()
    found = connection.execute(_names(connection.dialect.name), {"localparts": many(connection, wanted)})
    return {(domain_id, localpart) for domain_id, localpart in plain(found).fetchall()}


@lru_cache
def _rules(dialect: str) -> Select[Any]:
    columns = (domain.c.id, domain.c.name, domain.c.catchall_separators, domain.c.localpart_case_sensitive)
    return select(*columns).where(among(dialect, domain.c.name, "names"))


@lru_cache
def _names(dialect: str) -> Any:
    return union_all(
        *(
            select(table.c.domain_id, table.c.localpart).where(among(dialect, table.c.localpart, "localparts"))
            for table in (address, alias)
        )
    )
