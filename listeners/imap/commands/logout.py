"""LOGOUT. RFC 9051 §6.1.3. The conversation closes after the tagged reply."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    session.unselect()
    session.write(b"* BYE Logging out\r\n")
