"""STATUS. RFC 9051 §6.3.11."""

from sqlalchemy import Connection

from listeners.imap.session import Session
from mail.errors import NoSuchMailbox
from mail.imap.commands.status import Status
from mail.imap.responses import mailbox
from mail.store import mailboxes
from mail.store.rows import MailboxRow


async def run(session: Session, command: Status) -> None:
    if "HIGHESTMODSEQ" in command.items:
        session.use_condstore()
    row = await session.read(_find, session.account_id, command.mailbox)
    session.write(render_status(session, row, command.items, await deleted_sizes(session, command.items)))


async def deleted_sizes(session: Session, items: tuple[str, ...]) -> dict[int, int]:
    """What DELETED-STORAGE needs, read where it was asked for."""
    return await session.read(mailboxes.deleted_sizes, session.account_id) if "DELETED-STORAGE" in items else {}


def _find(connection: Connection, account_id: int, name: str) -> MailboxRow:
    row = mailboxes.find_mailbox(connection, account_id, name)
    if row is None:
        raise NoSuchMailbox(name)
    return row


def render_status(session: Session, row: MailboxRow, items: tuple[str, ...], deleted: dict[int, int]) -> bytes:
    numbers = {
        "MESSAGES": row.messages,
        "UIDNEXT": row.uidnext,
        "UIDVALIDITY": row.uidvalidity,
        "UNSEEN": row.unseen,
        "DELETED": row.deleted,
        "SIZE": row.size,
        # RFC 9051 dropped it; RFC 3501 clients get the answer of a server without recent messages.
        "RECENT": 0,
        "HIGHESTMODSEQ": row.highestmodseq,
        # RFC 9208 §4.3.4 counts octets here.
        "DELETED-STORAGE": deleted.get(row.id, 0),
        "APPENDLIMIT": session.service.terms.max_message_bytes,
    }
    listed = " ".join(f"{item} {numbers[item]}" for item in items)
    return b"* STATUS %b (%b)\r\n" % (mailbox(row.name, utf8=session.utf8), listed.encode())
