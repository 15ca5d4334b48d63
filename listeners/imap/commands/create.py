"""CREATE. RFC 9051 §6.3.4, RFC 6154 §3, features B11. The levels above are made too."""

from listeners.imap.session import Session
from mail.errors import MailboxRefused
from mail.imap.commands.create import Create
from mail.imap.mailbox_names import SEPARATOR
from mail.imap.responses import Reply, no
from mail.store.changes import Changes
from mail.store.mailbox_changes import create_mailbox
from mail.store.names import SPECIAL_USES, checked

USES = {use.lower(): use for use in SPECIAL_USES}


async def run(session: Session, command: Create) -> Reply | None:
    name = checked(command.mailbox.removesuffix(SEPARATOR))
    uses = " ".join(USES.get(use.lower(), use) for use in command.uses)
    try:
        await session.change(_create, session.account_id, name, uses)
    except MailboxRefused as error:
        # The name is good, so it is the use: RFC 6154 §3.
        return no("USEATTR" if uses else "CANNOT", error.public)
    return None


def _create(changes: Changes, account_id: int, name: str, uses: str) -> None:
    create_mailbox(changes.account(account_id), name, uses)
