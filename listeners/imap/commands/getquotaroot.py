"""GETQUOTAROOT: the account's quota holds for every mailbox. RFC 9208 §4.3.3."""

from sqlalchemy import Connection

from listeners.imap.commands.getquota import write_quota
from listeners.imap.session import Session
from mail.errors import NoSuchMailbox
from mail.imap.responses import mailbox
from mail.store import mailboxes
from mail.store.usage import Usage, usage


async def run(session: Session, command: str) -> None:
    held = await session.read(_usage, session.account_id, command)
    session.write(b'* QUOTAROOT %b ""\r\n' % mailbox(command, utf8=session.utf8))
    write_quota(session, held)


def _usage(connection: Connection, account_id: int, name: str) -> Usage:
    if mailboxes.find_mailbox(connection, account_id, name) is None:
        raise NoSuchMailbox(name)
    return usage(connection, account_id)
