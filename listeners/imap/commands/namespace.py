"""NAMESPACE. RFC 9051 §6.3.10: a personal one, and nobody else's."""

from listeners.imap.session import Session


async def run(session: Session, command: None) -> None:
    session.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
