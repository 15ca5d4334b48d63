"""COPY and UID COPY. RFC 9051 §6.4.7."""

from collections.abc import Callable
from typing import Any

from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mail.errors import NoSuchMailbox
from mail.imap.commands.copy import Copy
from mail.imap.responses import Reply, no, ok
from mail.imap.sequence import render_sequence
from mail.store import message_changes
from mail.store.changes import AccountState, Changes

Pairs = list[tuple[int, int]]
# The work of COPY or MOVE: (account, from mailbox, UIDs, to mailbox) to (old UID, new UID).
Work = Callable[[AccountState, int, list[int], int], Pairs]


async def run(session: Session, command: Copy) -> Reply | None:
    selected = session.selected
    assert selected is not None
    uids = selected.uids(command.messages, uid=command.uid)
    if not uids:
        return None
    try:
        uidvalidity, pairs = await session.change(put, selected, uids, command.mailbox, message_changes.copy)
    except NoSuchMailbox as error:
        return no("TRYCREATE", error.public)
    return ok(copyuid(uidvalidity, pairs)) if pairs else None


def put(changes: Changes, selected: Selected, uids: list[int], name: str, work: Work) -> tuple[int, Pairs]:
    """Raises NoSuchMailbox when there is no mailbox of that name."""
    state = changes.account(selected.account_id)
    target: Any = state.mailbox_named(name)
    if target is None:
        raise NoSuchMailbox(name)
    return target.uidvalidity, work(state, selected.mailbox_id, uids, target.id)


def copyuid(uidvalidity: int, pairs: Pairs) -> str:
    """RFC 9051 §7.1: both sets in the same order."""
    source, copies = zip(*pairs, strict=True)
    return f"COPYUID {uidvalidity} {render_sequence(source).decode()} {render_sequence(copies).decode()}"
