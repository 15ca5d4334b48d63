"""MOVE and UID MOVE. RFC 9051 §6.4.8, RFC 6851 §4.3."""

from listeners.imap.commands.copy import copyuid, put
from listeners.imap.session import Session
from mail.errors import NoSuchMailbox
from mail.imap.commands.copy import Copy
from mail.imap.responses import Reply, no, ok
from mail.store import message_changes


async def run(session: Session, command: Copy) -> Reply | None:
    selected = session.selected
    assert selected is not None
    uids = selected.uids(command.messages, uid=command.uid)
    if not uids:
        return None
    try:
        uidvalidity, pairs = await session.change(put, selected, uids, command.mailbox, message_changes.move)
    except NoSuchMailbox as error:
        return no("TRYCREATE", error.public)
    if pairs:
        # Before the EXPUNGEs, so that the client knows where each went: RFC 6851 §4.3.
        session.write(f"* OK [{copyuid(uidvalidity, pairs)}] Moved.\r\n".encode())
    await session.catch_up(uid=command.uid)
    if pairs and "QRESYNC" in session.enabled:
        return ok(f"HIGHESTMODSEQ {selected.index.modseq}")
    return None
