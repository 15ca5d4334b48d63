"""CAPABILITY. RFC 9051 §6.1.1."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    session.write(f"* CAPABILITY {session.capabilities()}\r\n".encode())
