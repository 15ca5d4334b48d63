"""SELECT. RFC 9051 §6.3.2, RFC 3501 §6.3.1, RFC 7162 §3.1.2 and §3.2.5."""

from array import array
from collections.abc import Sequence

from sqlalchemy import Connection

from listeners.imap.selected import Selected
from listeners.imap.service import Service
from listeners.imap.session import Session
from mail.errors import NoSuchMailbox
from mail.imap.commands.select import Known, Select
from mail.imap.index import Index
from mail.imap.responses import Reply, bad, mailbox, ok
from mail.imap.sequence import positions_of_uids, render_sequence
from mail.imap.updates import render_flags_responses, render_known_changed
from mail.store import mailboxes, messages
from mail.store.flags import SEEN
from mail.store.rows import MailboxRow


async def run(session: Session, command: Select) -> Reply:
    return await open_mailbox(session, command, read_only=False)


async def open_mailbox(session: Session, command: Select, *, read_only: bool) -> Reply:
    if command.known is not None and "QRESYNC" not in session.enabled:
        return bad("Enable QRESYNC first")
    if session.selected is not None:
        # Even a SELECT that fails leaves no mailbox selected: RFC 9051 §6.3.2.
        session.unselect()
        session.write(b"* OK [CLOSED] Previous mailbox is now closed.\r\n")
    row, index, vanished = await session.read(
        _read, session.service, session.account_id, command.mailbox, command.known
    )
    if command.condstore:
        session.use_condstore()
    _describe(session, row, index, read_only)
    known = command.known
    if known is not None and known.uidvalidity == index.uidvalidity:
        if vanished:
            session.write(b"* VANISHED (EARLIER) %b\r\n" % render_sequence(vanished))
        for line in render_known_changed(index, known.modseq, known.uids):
            session.write(line)
    session.select(Selected(session.account_id, row.id, row.name, index, read_only=read_only))
    return ok("READ-ONLY" if read_only else "READ-WRITE")


def _read(
    connection: Connection, service: Service, account_id: int, name: str, known: Known | None
) -> tuple[MailboxRow, Index, Sequence[int]]:
    row = mailboxes.find_mailbox(connection, account_id, name)
    index = service.indexes.refresh(connection, account_id, row.id) if row is not None else None
    if row is None or index is None:
        raise NoSuchMailbox(name)
    if known is None or known.uidvalidity != index.uidvalidity:
        return row, index, ()
    if known.modseq < row.vanished_floor:
        gone: Sequence[int] = _missing(index)
    else:
        gone = messages.vanished_uids(connection, account_id, row.id, known.modseq)
    return row, index, _among(gone, known)


def _missing(index: Index) -> list[int]:
    """Every UID that was ever given and is not there: what is listed when old expunges are forgotten."""
    there = bytearray(index.uidnext)
    for uid in index.uids:
        there[uid] = 1
    return [uid for uid in range(1, index.uidnext) if not there[uid]]


def _among(gone: Sequence[int], known: Known) -> Sequence[int]:
    """RFC 7162 §3.2.5.1: only UIDs the client says it knows."""
    if known.uids is None:
        return gone
    return [gone[position] for position in positions_of_uids(known.uids, array("I", gone))]


def _describe(session: Session, row: MailboxRow, index: Index, read_only: bool) -> None:
    for line in render_flags_responses(index, writable=not read_only):
        session.write(line)
    session.write(b"* %d EXISTS\r\n" % len(index))
    if session.rev2:
        # RFC 9051 §6.3.2 wants LIST, and dropped RECENT and UNSEEN.
        special = b" ".join(use.encode() for use in row.special_use)
        session.write(b'* LIST (%b) "/" %b\r\n' % (special, mailbox(row.name, utf8=True)))
    else:
        session.write(b"* 0 RECENT\r\n")
        unseen = next((number for number, flags in enumerate(index.flags, 1) if not flags & SEEN), 0)
        if unseen:
            session.write(b"* OK [UNSEEN %d] First unseen.\r\n" % unseen)
    session.write(b"* OK [UIDVALIDITY %d] UIDs stay valid.\r\n" % index.uidvalidity)
    session.write(b"* OK [UIDNEXT %d] The next UID.\r\n" % index.uidnext)
    session.write(b"* OK [HIGHESTMODSEQ %d] The newest change.\r\n" % index.modseq)
