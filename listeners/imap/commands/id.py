"""ID. RFC 2971. Strangers learn the name, not the version."""

from listeners.imap.session import Session
from mail.imap.command_table import State
from mail.imap.commands.id import Id


async def run(session: Session, command: Id) -> None:
    if command.fields:
        # Names and lengths are the client's: keep a log line short.
        said = {name[:30]: value[:100] for name, value in command.fields}
        session.service.log.info("imap-client-id", cid=session.cid, client=said)
    version = session.service.terms.version
    if session.state is State.NOT_AUTHENTICATED:
        session.write(b'* ID ("name" "Mailstead")\r\n')
    else:
        session.write(f'* ID ("name" "Mailstead" "version" "{version}")\r\n'.encode())
