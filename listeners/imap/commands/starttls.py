"""STARTTLS. RFC 9051 §6.2.1."""

from listeners.imap.session import Session
from mail.imap.responses import HELD, Reply, bad


async def run(session: Session, command: None) -> Reply:
    context = session.service.terms.tls
    if session.tls:
        return bad("TLS is active already")
    if context is None:
        return bad("TLS is not available")
    if session.connection.reader.pending:
        # What came in clear behind STARTTLS may be an attacker's: RFC 9051 §11.1, security TL-1.
        session.write(f"{session.tag} BAD Pipelining after STARTTLS\r\n".encode())
        session.bye("Nothing may follow STARTTLS before the handshake.")
        return HELD
    await session.connection.start_tls(context, f"{session.tag} OK Begin TLS negotiation now\r\n".encode())
    return HELD
