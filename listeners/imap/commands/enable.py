"""ENABLE. RFC 9051 §6.3.1, RFC 5161. What we do not know is passed over."""

from listeners.imap.session import Session
from mail.imap.capabilities import ENABLEABLE
from mail.imap.commands.enable import Enable

SPELLING = {"IMAP4REV2": "IMAP4rev2"}


async def run(session: Session, command: Enable) -> None:
    wanted = [word for word in dict.fromkeys(command.capabilities) if word in ENABLEABLE]
    # RFC 7162 §3.2.3: QRESYNC brings CONDSTORE with it.
    if "QRESYNC" in wanted and "CONDSTORE" not in wanted:
        wanted.append("CONDSTORE")
    new = [word for word in wanted if word not in session.enabled]
    session.write(f"* ENABLED{''.join(f' {SPELLING.get(word, word)}' for word in new)}\r\n".encode())
    if "CONDSTORE" in new:
        session.use_condstore()
    session.enabled |= set(new)
