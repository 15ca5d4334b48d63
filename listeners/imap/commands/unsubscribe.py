"""UNSUBSCRIBE. RFC 9051 §6.3.8."""

from listeners.imap.session import Session
from mail.store import mailbox_changes
from mail.store.changes import Changes


async def run(session: Session, name: str) -> None:
    await session.change(_unsubscribe, session.account_id, name)


def _unsubscribe(changes: Changes, account_id: int, name: str) -> None:
    mailbox_changes.unsubscribe(changes.account(account_id), name)
