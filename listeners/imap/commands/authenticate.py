"""AUTHENTICATE. RFC 9051 §6.2.2, RFC 4959 (initial responses)."""

import base64

from listeners.imap.commands.login import accepted, refused
from listeners.imap.session import MECHANISMS, Session
from mail.errors import MailError
from mail.imap.commands.authenticate import Authenticate, decode
from mail.imap.grammar import BadSyntax
from mail.imap.reader import CommandReceived
from mail.imap.responses import Reply, bad, no
from mail.sasl import exchange
from mail.sasl.exchange import Facts


async def run(session: Session, command: Authenticate) -> Reply:
    if not session.private:
        return no("PRIVACYREQUIRED", "Use TLS before logging in")
    if command.mechanism not in MECHANISMS:
        return no("CANNOT", "Unsupported mechanism")

    async def talk(challenge: bytes) -> bytes:
        session.write(b"+ " + base64.b64encode(challenge) + b"\r\n")
        event = await session.connection.next_event()
        # RFC 9051 §6.2.2: the client cancels with a "*".
        if not isinstance(event, CommandReceived) or event.octets == b"*":
            raise BadSyntax("Authentication cancelled")
        return decode(event.octets)

    facts = Facts("imap", session.peer, session.tls)
    try:
        proven = await exchange.authenticate(
            command.mechanism, command.initial, ask=session.service.auth.call, talk=talk, facts=facts
        )
    except BadSyntax as error:
        return bad(str(error))
    except MailError as error:
        return refused(session, error)
    return accepted(session, {"account_id": proven.account_id, "account": proven.account, "login": proven.login})
