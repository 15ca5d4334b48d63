"""LSUB. RFC 3501 §6.3.9."""

from sqlalchemy import Connection

from listeners.imap.session import Session
from mail.imap.commands.lsub import Lsub
from mail.imap.mailbox_names import INBOX
from mail.imap.patterns import canonical, matches, parents
from mail.imap.responses import mailbox
from mail.store import mailboxes


async def run(session: Session, command: Lsub) -> None:
    subscribed = await session.read(_read, session.account_id)
    pattern = canonical(command.reference, command.pattern)
    found = {name: "" for name in subscribed if matches(pattern, name)}
    if pattern.endswith("%"):
        # A level above that is not subscribed itself is told as one that cannot be selected: RFC 3501 §6.3.9.
        above = {parent for name in subscribed for parent in parents(name)} - subscribed
        found |= {name: "\\Noselect" for name in above if matches(pattern, name)}
    for name in sorted(found, key=lambda name: (name != INBOX, name)):
        session.write(b'* LSUB (%b) "/" %b\r\n' % (found[name].encode(), mailbox(name, utf8=session.utf8)))


def _read(connection: Connection, account_id: int) -> frozenset[str]:
    return mailboxes.subscriptions(connection, account_id)
