"""AUTHENTICATE. RFC 9051 §6.2.2."""

from listeners.imap.session import Session
from mail.imap.commands.authenticate import Authenticate
from mail.imap.responses import Reply, no


async def run(session: Session, command: Authenticate) -> Reply:
    return no("CANNOT", "Unsupported mechanism")
