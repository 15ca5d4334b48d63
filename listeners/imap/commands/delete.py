"""DELETE. RFC 9051 §6.3.5. One that has children is refused."""

from listeners.imap.session import Session
from mail.store.changes import Changes
from mail.store.mailbox_changes import delete_mailbox


async def run(session: Session, name: str) -> None:
    await session.change(_delete, session.account_id, name)


def _delete(changes: Changes, account_id: int, name: str) -> None:
    delete_mailbox(changes.account(account_id), name)
