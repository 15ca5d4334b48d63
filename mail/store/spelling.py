"""How a domain compares localparts: its separators, and whether case matters.

A change writes the canonical form of all its names anew, from what people wrote. It is refused when two names would
become one, or when a separator would cut a name there is: neither is decided in silence.
"""

from typing import Any

from sqlalchemy import Connection, select, update

from mail.address import canonical
from mail.errors import Invalid
from mail.store.accounts import DomainRow, checked_separators, find_domain
from mail.store.schema import address, alias, domain, ruleset


def respell(
    tx: Connection, name: str, *, separators: str | None = None, case_sensitive: bool | None = None
) -> DomainRow:
    """What is None stays. Invalid names what stands in the way."""
    row = find_domain(tx, name, lock=True)
    separators = row.catchall_separators if separators is None else checked_separators(separators)
    sensitive = row.localpart_case_sensitive if case_sensitive is None else case_sensitive
    spelled: dict[str, str] = {}
    for table in (address, alias):
        for old, written in tx.execute(_names(table, row.id)):
            new = canonical(written, separators="", case_sensitive=sensitive)
            if new in spelled.values():
                raise Invalid(public=f"{written}@{row.name} would be the same as another address")
            cut = [one for one in separators if one in new[1:]]
            if cut:
                raise Invalid(public=f"{written}@{row.name} contains {cut[0]}: mail to it would go to the part before")
            spelled[old] = new
    for table in (address, alias, ruleset):
        for old, new in spelled.items():
            if old != new:
                which = (table.c.domain_id == row.id) & (table.c.localpart == old)
                tx.execute(update(table).where(which).values(localpart=new))
    values = {"catchall_separators": separators, "localpart_case_sensitive": sensitive}
    tx.execute(update(domain).where(domain.c.id == row.id).values(**values))
    return find_domain(tx, row.name)


def _names(table: Any, domain_id: int) -> Any:
    """(canonical, written) of its names, but the catchall and what `canonical` leaves alone: report addresses match
    before anything is cut.
    """
    wanted = select(table.c.localpart, table.c.written).where(table.c.domain_id == domain_id, table.c.localpart != "")
    return wanted if table is alias else wanted.where(table.c.kind == "")
