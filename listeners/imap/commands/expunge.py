"""EXPUNGE and UID EXPUNGE. RFC 9051 §6.4.3, §6.4.9; RFC 7162 §3.2.7."""

from listeners.imap.selected import Selected
from listeners.imap.service import Service
from listeners.imap.session import Session
from mail.imap.commands.expunge import Expunge
from mail.imap.responses import Reply, ok
from mail.imap.sequence import SequenceSet, positions_of_uids
from mail.store.changes import Changes
from mail.store.flags import DELETED
from mail.store.message_changes import expunge


async def run(session: Session, command: Expunge) -> Reply | None:
    selected = session.selected
    assert selected is not None
    among = command.messages
    if among is not None and among.saved:
        uids = frozenset(selected.uids(among, uid=True))
        gone = await session.change(expunge_deleted, session.service, selected, None, uids)
    else:
        gone = await session.change(expunge_deleted, session.service, selected, among)
    await session.catch_up(uid=among is not None)
    if gone and "CONDSTORE" in session.enabled:
        return ok(f"HIGHESTMODSEQ {selected.index.modseq}")
    return None


def expunge_deleted(
    changes: Changes,
    service: Service,
    selected: Selected,
    among: SequenceSet | None,
    only: frozenset[int] | None = None,
) -> list[int]:
    """Remove what carries \\Deleted at this moment, whichever session put it there."""
    index = service.indexes.refresh(changes.tx, *selected.key)
    if index is None:
        return []
    positions = range(len(index)) if among is None else positions_of_uids(among, index.uids)
    flags, uids = index.flags, index.uids
    doomed = [uids[place] for place in positions if flags[place] & DELETED and (only is None or uids[place] in only)]
    if not doomed:
        return []
    return expunge(changes.account(selected.account_id), selected.mailbox_id, doomed)
