"""LOGIN. RFC 9051 §6.2.3."""

from listeners.imap.session import Session
from mail.errors import BadCredentials, LoginDisabled, MailError, TooManyFailures
from mail.imap.commands.login import Login
from mail.imap.responses import Reply, no, ok, reply_for


async def run(session: Session, command: Login) -> Reply:
    if not session.private:
        return no("PRIVACYREQUIRED", "Use TLS before logging in")
    asked = {
        "login": command.userid,
        "password": command.password,
        "authzid": "",
        "service": "imap",
        "ip": session.peer,
        "tls": session.tls,
    }
    try:
        found = await session.service.auth.call("plain", asked)
    except MailError as error:
        return refused(session, error)
    return accepted(session, found)


def accepted(session: Session, found: dict[str, object]) -> Reply:
    session.logged_in(found)
    session.service.logins.labels("ok").inc()
    session.service.log.info("imap-login", cid=session.cid, peer=session.peer, login=session.login, tls=session.tls)
    # RFC 9051 §7.1: spares the client a CAPABILITY.
    return ok(f"CAPABILITY {session.capabilities()}")


def refused(session: Session, error: MailError) -> Reply:
    """The reply to a failed login; after too many the connection ends."""
    counted = isinstance(error, BadCredentials | LoginDisabled | TooManyFailures)
    session.service.logins.labels("refused" if counted else "failed").inc()
    session.service.log.info("imap-login-refused", cid=session.cid, peer=session.peer, error=repr(error))
    if counted:
        session.login_failed(final=isinstance(error, TooManyFailures))
    return reply_for(error)
