"""NOOP. RFC 9051 §6.1.2. What changed is announced after every command; this one looks in the store for it."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    return None
