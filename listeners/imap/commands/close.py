"""CLOSE. RFC 9051 §6.4.1: removes what is marked deleted, without a word about it, and leaves."""

from listeners.imap.commands.expunge import expunge_deleted
from listeners.imap.session import Session
from mail.imap.responses import Reply, ok


async def run(session: Session, command: None) -> Reply | None:
    selected = session.selected
    assert selected is not None
    gone: list[int] = []
    if not selected.read_only and not selected.gone:
        gone = await session.change(expunge_deleted, session.service, selected, None)
    index = session.service.indexes.current(selected.key)
    session.unselect()
    if gone and index is not None and "QRESYNC" in session.enabled:
        return ok(f"HIGHESTMODSEQ {index.modseq}")
    return None
