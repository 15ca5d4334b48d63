"""IDLE. RFC 9051 §6.3.13. It ends in `Conversation`, by DONE; while it runs, the change feed announces."""

from listeners.imap.session import Session
from mail.imap.responses import HELD, Reply


async def run(session: Session, command: None) -> Reply:
    await session.catch_up(look=True)
    session.write(b"+ idling\r\n")
    session.idling = session.tag
    selected = session.selected
    # What was heard between the look and now.
    if selected is not None and session.service.feed.stale(selected.key):
        session.service.feed.look([selected.key])
    return HELD
