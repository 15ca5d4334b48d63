"""LIST. RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154 §2."""

from sqlalchemy import Connection

from listeners.imap.commands.status import deleted_sizes, render_status
from listeners.imap.session import Session
from mail.imap.commands.list import List
from mail.imap.mailbox_names import INBOX
from mail.imap.patterns import canonical, matches, parents
from mail.imap.responses import mailbox
from mail.store import mailboxes
from mail.store.rows import MailboxRow


async def run(session: Session, command: List) -> None:
    if command.patterns == ("",) and not command.extended:
        # A question for the separator: RFC 9051 §6.3.9.
        session.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return
    if "HIGHESTMODSEQ" in command.status:
        session.use_condstore()
    rows, subscribed = await session.read(_read, session.account_id)
    deleted = await deleted_sizes(session, command.status)
    patterns = [canonical(command.reference, pattern) for pattern in command.patterns if pattern]
    for name in listed(command, patterns, rows, subscribed):
        row = rows.get(name)
        session.write(_render(session, name, command, rows, subscribed, patterns))
        if command.status and row is not None:
            session.write(render_status(session, row, command.status, deleted))


def _read(connection: Connection, account_id: int) -> tuple[dict[str, MailboxRow], frozenset[str]]:
    rows = {row.name: row for row in mailboxes.list_mailboxes(connection, account_id)}
    return rows, mailboxes.subscriptions(connection, account_id)


def _matches_any(patterns: list[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _meets(command: List, name: str, row: MailboxRow | None, subscribed: frozenset[str]) -> bool:
    """The selection options but RECURSIVEMATCH."""
    if "SUBSCRIBED" in command.select:
        if name not in subscribed:
            return False
    elif row is None:
        return False
    return "SPECIAL-USE" not in command.select or (row is not None and bool(row.special_use))


def listed(command: List, patterns: list[str], rows: dict[str, MailboxRow], subscribed: frozenset[str]) -> list[str]:
    """The names to answer with, the inbox first."""
    names = set(rows)
    if "SUBSCRIBED" in command.select:
        names |= subscribed
    found = {name for name in names if _meets(command, name, rows.get(name), subscribed)}
    answered = {name for name in found if _matches_any(patterns, name)}
    if "RECURSIVEMATCH" in command.select:
        # RFC 5258 §3.5: a level above that meets nothing itself, where the one below is not answered already.
        above = {parent for name in found - answered for parent in parents(name)}
        answered |= {name for name in above if _matches_any(patterns, name)}
    return sorted(answered, key=lambda name: (name != INBOX, name))


def _render(
    session: Session,
    name: str,
    command: List,
    rows: dict[str, MailboxRow],
    subscribed: frozenset[str],
    patterns: list[str],
) -> bytes:
    row = rows.get(name)
    prefix = name + "/"
    attributes = ["\\HasChildren" if any(other.startswith(prefix) for other in rows) else "\\HasNoChildren"]
    if row is None:
        attributes.insert(0, "\\NonExistent")
    if name in subscribed and "SUBSCRIBED" in command.select | command.returns:
        attributes.append("\\Subscribed")
    if row is not None:
        attributes += row.special_use
    info = b""
    if "RECURSIVEMATCH" in command.select and _has_hidden_below(command, name, rows, subscribed, patterns):
        met = sorted(command.select - {"RECURSIVEMATCH", "REMOTE"})
        info = b' ("CHILDINFO" (%b))' % " ".join(f'"{option}"' for option in met).encode()
    shown = mailbox(name, utf8=session.utf8)
    return b'* LIST (%b) "/" %b%b\r\n' % (" ".join(attributes).encode(), shown, info)


def _has_hidden_below(
    command: List, name: str, rows: dict[str, MailboxRow], subscribed: frozenset[str], patterns: list[str]
) -> bool:
    """Something below meets the options and is not answered by a pattern itself."""
    prefix = name + "/"
    return any(
        other.startswith(prefix)
        and _meets(command, other, rows.get(other), subscribed)
        and not _matches_any(patterns, other)
        for other in {*rows, *subscribed}
    )
