"""UNSELECT. RFC 9051 §6.4.2: leaves without removing anything."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    session.unselect()
