"""SUBSCRIBE. RFC 9051 §6.3.7. A name need not be a mailbox's."""

from listeners.imap.session import Session
from mail.store import mailbox_changes
from mail.store.changes import Changes


async def run(session: Session, name: str) -> None:
    await session.change(_subscribe, session.account_id, name)


def _subscribe(changes: Changes, account_id: int, name: str) -> None:
    mailbox_changes.subscribe(changes.account(account_id), name)
