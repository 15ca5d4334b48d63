"""GETQUOTA: how much the account holds, and may hold. RFC 9208 §4.3.2; features-1 item 8.

There is one quota root, the account's, and its name is empty.
"""

from listeners.imap.session import Session
from mail.imap.commands.getquota import GetQuota
from mail.imap.responses import Reply, no
from mail.store import accounts
from mail.store.accounts import Usage


async def run(session: Session, command: GetQuota) -> Reply | None:
    if command.root:
        return no("NONEXISTENT", "No such quota root")
    write_quota(session, await session.read(accounts.usage, session.account_id))
    return None


def write_quota(session: Session, usage: Usage) -> None:
    """Nothing where there is no limit: there is no resource to tell of."""
    if usage.quota:
        session.write(b'* QUOTA "" (STORAGE %d %d)\r\n' % (kibibytes(usage.size), kibibytes(usage.quota)))


def kibibytes(octets: int) -> int:
    """RFC 9208 §5.1: units of 1,024 octets; begun ones count."""
    return -(-octets // 1024)
