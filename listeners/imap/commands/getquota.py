"""GETQUOTA: how much the account holds, and may hold. RFC 9208 §4.3.2; features-1 item 8.

There is one quota root, the account's, and its name is empty.
"""

from listeners.imap.session import Session
from mail.imap.commands.getquota import GetQuota
from mail.imap.responses import Reply, no
from mail.store.usage import Usage, usage


async def run(session: Session, command: GetQuota) -> Reply | None:
    if command.root:
        return no("NONEXISTENT", "No such quota root")
    write_quota(session, await session.read(usage, session.account_id))
    return None


def write_quota(session: Session, held: Usage) -> None:
    """Nothing where there is no limit: there is no resource to tell of."""
    if held.quota:
        session.write(b'* QUOTA "" (STORAGE %d %d)\r\n' % (kibibytes(held.size), kibibytes(held.quota)))


def kibibytes(octets: int) -> int:
    """RFC 9208 §5.1: units of 1,024 octets; begun ones count."""
    return -(-octets // 1024)
