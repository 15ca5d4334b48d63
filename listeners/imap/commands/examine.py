"""EXAMINE. RFC 9051 §6.3.3."""

from listeners.imap.commands.select import open_mailbox
from listeners.imap.session import Session
from mail.imap.commands.select import Select
from mail.imap.responses import Reply


async def run(session: Session, command: Select) -> Reply:
    return await open_mailbox(session, command, read_only=True)
