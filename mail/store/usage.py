"""How much accounts hold, and may hold (features-1 item 8)."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from mail.errors import NoSuchAddress
from mail.store.schema import account


class Usage(NamedTuple):
    """Octets; a quota of 0 is no limit."""

    size: int
    quota: int

    def has_room(self, octets: int) -> bool:
        return not self.quota or self.size + octets <= self.quota


_ONE = select(account.c.size, account.c.quota).where(account.c.id == bindparam("account_id"))


def usage(connection: Connection, account_id: int) -> Usage:
    """NoSuchAddress when the account is gone."""
    values = connection.execute(_ONE, {"account_id": account_id}).first()
    if values is None:
        raise NoSuchAddress(f"no account {account_id}")
    return Usage(*values)
