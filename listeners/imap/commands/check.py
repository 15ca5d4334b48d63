"""CHECK. RFC 3501 §6.4.1: every change is durable before its OK, so there is nothing to do."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    return None
