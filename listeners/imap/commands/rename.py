"""RENAME. RFC 9051 §6.3.6. Those below go with it; renaming the inbox moves its messages."""

from listeners.imap.session import Session
from mail.imap.commands.rename import Rename
from mail.store.changes import Changes
from mail.store.mailbox_changes import rename_mailbox


async def run(session: Session, command: Rename) -> None:
    await session.change(_rename, session.account_id, command.old, command.new)


def _rename(changes: Changes, account_id: int, old: str, new: str) -> None:
    rename_mailbox(changes.account(account_id), old, new)
