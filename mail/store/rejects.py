"""The Rejects mailbox: copies of what was refused, for the owner to rescue what should not have been (features B08).

Before a copy is put there, those older than 14 days go; where 1,000 are left it is not put there. Neither holds where
the owner keeps rejects. The same message, by its Message-ID or its octets, is there once; when it is taken after all,
the copy goes.
"""

from enum import Enum

from sqlalchemy import Select, bindparam, select

from mail.store.blob_rows import BlobRow
from mail.store.changes import AccountState
from mail.store.mailbox_changes import ensure_mailbox
from mail.store.message_changes import expunge
from mail.store.names import normalized
from mail.store.rows import plain
from mail.store.schema import blob, message

KEPT_MS = 14 * 86_400_000
KEPT_MAX = 1000
# Of the old, so many go at a time: the refusal they make room for is waiting.
REMOVED_AT_ONCE = 200

_OF_MAILBOX = (
    message.c.account_id == bindparam("account_id"),
    message.c.mailbox_id == bindparam("mailbox_id"),
)
_OLD = (
    select(message.c.uid)
    .where(*_OF_MAILBOX, message.c.saved_at < bindparam("value"))
    .order_by(message.c.uid)
    .limit(REMOVED_AT_ONCE)
)
_JOINED = select(message.c.uid).join(blob, blob.c.id == message.c.blob_id).where(*_OF_MAILBOX)
# By the index of Message-IDs; messages without one are few, and so are those in Rejects.
_BY_MESSAGE_ID = _JOINED.where(blob.c.message_id == bindparam("value"))
_BY_OCTETS = _JOINED.where(blob.c.sha256 == bindparam("value"))


class Room(Enum):
    """Is there a place for one more copy."""

    FREE = "free"
    TAKEN = "taken"  # by the same message
    NONE = "none"


def make_room(state: AccountState, name: str, row: BlobRow, message_id: str, *, keep_all: bool) -> Room:
    """For a copy of this message in the account's Rejects. Removes what is too old first."""
    target = ensure_mailbox(state, name)
    if not keep_all:
        old = _uids(state, target.id, _OLD, state.changes.now - KEPT_MS)
        if old:
            expunge(state, target.id, old)
    same = _uids(state, target.id, _BY_MESSAGE_ID, message_id) if message_id else []
    if same or _uids(state, target.id, _BY_OCTETS, row.sha256):
        return Room.TAKEN
    return Room.NONE if target.messages >= KEPT_MAX and not keep_all else Room.FREE


def remove(state: AccountState, name: str, message_id: str) -> int:
    """A message was taken that was refused before: its copy goes. Returns how many went."""
    target = state.mailbox_named(normalized(name)) if name and message_id else None
    if target is None or not target.messages:
        return 0
    return len(expunge(state, target.id, _uids(state, target.id, _BY_MESSAGE_ID, message_id)))


def _uids(state: AccountState, mailbox_id: int, wanted: Select[tuple[int]], value: object) -> list[int]:
    state.changes.flush()
    place = {"account_id": state.id, "mailbox_id": mailbox_id, "value": value}
    return [uid for (uid,) in plain(state.changes.tx.execute(wanted, place)).fetchall()]
