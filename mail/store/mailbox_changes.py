"""Making, renaming, removing and subscribing mailboxes. Each through one `Changes` (RFC 9051 §6.3.4-§6.3.8)."""

from sqlalchemy import delete, func, insert, select, update

from mail.errors import MailboxExists, MailboxHasChildren, MailboxRefused, NoSuchMailbox
from mail.events import MailboxChanged
from mail.store.changes import AccountState, MailboxCounters
from mail.store.message_changes import move
from mail.store.names import INBOX, SEPARATOR, SPECIAL_USES, checked, normalized, parents
from mail.store.rows import plain
from mail.store.schema import arrival, mailbox, mailbox_keyword, message, subscription, vanished


def create_mailbox(
    state: AccountState, name: str, special_use: str = "", *, subscribed: bool = True
) -> MailboxCounters:
    """Make a mailbox and those above it. MailboxExists; MailboxRefused for a bad name or a use taken or unknown."""
    wanted = checked(name.removesuffix(SEPARATOR))
    if state.mailbox_named(wanted) is not None:
        raise MailboxExists(wanted)
    uses = special_use.split()
    for use in uses:
        _check_use(state, use)
    for above in parents(wanted):
        if state.mailbox_named(above) is None:
            _add(state, above, "", subscribed=subscribed)
    return _add(state, wanted, " ".join(uses), subscribed=subscribed)


def _check_use(state: AccountState, use: str) -> None:
    if use not in SPECIAL_USES:
        raise MailboxRefused(public="special use not supported")
    held = select(mailbox.c.special_use).where(mailbox.c.account_id == state.id, mailbox.c.special_use != "")
    if any(use in words.split() for words in state.changes.tx.execute(held).scalars()):
        raise MailboxRefused(public="special use already belongs to another mailbox")


def ensure_mailbox(state: AccountState, name: str) -> MailboxCounters:
    """The mailbox of that name, made when it is not there: mail is never lost for want of a folder."""
    return state.mailbox_named(normalized(name)) or create_mailbox(state, name)


def _add(state: AccountState, name: str, special_use: str, *, subscribed: bool) -> MailboxCounters:
    made = MailboxCounters(state.next_mailbox_id, name, special_use, state.next_uidvalidity, 1, 0, 0, 0, 0, 1)
    state.next_mailbox_id += 1
    state.next_uidvalidity += 1
    modseq = state.touch(made)
    made.changed = False
    state.changes.tx.execute(
        insert(mailbox).values(
            account_id=state.id,
            id=made.id,
            name=name,
            special_use=special_use,
            uidvalidity=made.uidvalidity,
            highestmodseq=modseq,
            created_modseq=modseq,
        )
    )
    state.adopt(made)
    if subscribed:
        _subscribe(state, name)
    state.changes.events.append(MailboxChanged(state.id, made.id, modseq))
    return made


def rename_mailbox(state: AccountState, old: str, new: str) -> None:
    """Rename it and all below it. Renaming the inbox moves its messages and leaves it empty (RFC 9051 §6.3.6)."""
    source_name, target_name = normalized(old), checked(new.removesuffix(SEPARATOR))
    source = state.mailbox_named(source_name)
    if source is None:
        raise NoSuchMailbox(source_name)
    if state.mailbox_named(target_name) is not None:
        raise MailboxExists(target_name)
    if source_name == INBOX:
        target = create_mailbox(state, target_name)
        uids = state.changes.tx.execute(
            select(message.c.uid).where(message.c.account_id == state.id, message.c.mailbox_id == source.id)
        ).scalars()
        move(state, source.id, list(uids), target.id)
        return
    if target_name.startswith(source_name + SEPARATOR):
        raise MailboxRefused(public="a mailbox cannot move below itself")
    for above in parents(target_name):
        if state.mailbox_named(above) is None:
            _add(state, above, "", subscribed=True)
    for mailbox_id, name in _family(state, source_name):
        checked(target_name + name[len(source_name) :])
        _rename_one(state, mailbox_id, name, target_name + name[len(source_name) :])
    state.changes.flush()
    state.forget_mailboxes()


def _family(state: AccountState, name: str) -> list[tuple[int, str]]:
    """It and all below it: (id, name)."""
    below = name + SEPARATOR
    wanted = select(mailbox.c.id, mailbox.c.name).where(
        mailbox.c.account_id == state.id,
        (mailbox.c.name == name) | (func.substr(mailbox.c.name, 1, len(below)) == below),
    )
    return [(mailbox_id, found) for mailbox_id, found in state.changes.tx.execute(wanted)]


def _rename_one(state: AccountState, mailbox_id: int, old: str, new: str) -> None:
    tx = state.changes.tx
    counters = state.mailbox(mailbox_id)
    modseq = state.touch(counters)
    tx.execute(update(mailbox).where(mailbox.c.account_id == state.id, mailbox.c.id == mailbox_id).values(name=new))
    # The subscription follows its mailbox: clients that show subscribed ones would lose it.
    if tx.execute(
        delete(subscription).where(subscription.c.account_id == state.id, subscription.c.name == old)
    ).rowcount:
        _subscribe(state, new)
    state.changes.events.append(MailboxChanged(state.id, mailbox_id, modseq))


def delete_mailbox(state: AccountState, name: str) -> None:
    """Remove it and its messages. The inbox stays; one with children is refused. Its subscription stays."""
    wanted = normalized(name)
    counters = state.mailbox_named(wanted)
    if counters is None:
        raise NoSuchMailbox(wanted)
    if wanted == INBOX:
        raise MailboxRefused(public="the inbox cannot be removed")
    if len(_family(state, wanted)) > 1:
        raise MailboxHasChildren(wanted)
    tx = state.changes.tx
    state.changes.flush()
    state.changes.learning.removed(state.place(counters), _learnt(state, counters.id))
    state.size -= counters.size
    for table in (message, vanished, mailbox_keyword):
        tx.execute(delete(table).where(table.c.account_id == state.id, table.c.mailbox_id == counters.id))
    tx.execute(delete(mailbox).where(mailbox.c.account_id == state.id, mailbox.c.id == counters.id))
    state.changes.events.append(MailboxChanged(state.id, counters.id, state.modseq))
    state.forget_mailboxes()


def _learnt(state: AccountState, mailbox_id: int) -> list[tuple[int, str]]:
    """(flags, blob) of the messages of a mailbox that anything may have been learnt of."""
    wanted = (
        select(message.c.flags, message.c.blob_id)
        .join(arrival, (arrival.c.account_id == message.c.account_id) & (arrival.c.blob_id == message.c.blob_id))
        .where(message.c.account_id == state.id, message.c.mailbox_id == mailbox_id)
    )
    found: list[tuple[int, str]] = plain(state.changes.tx.execute(wanted)).fetchall()
    return found


def subscribe(state: AccountState, name: str) -> None:
    """Subscribe a name, of a mailbox or not (RFC 9051 §6.3.7 allows both)."""
    _subscribe(state, checked(name))
    state.changes.events.append(MailboxChanged(state.id, 0, state.modseq))


def _subscribe(state: AccountState, name: str) -> None:
    state.changes.tx.execute(state.changes.insert_or_ignore(subscription), {"account_id": state.id, "name": name})


def unsubscribe(state: AccountState, name: str) -> None:
    gone = state.changes.tx.execute(
        delete(subscription).where(subscription.c.account_id == state.id, subscription.c.name == normalized(name))
    )
    if gone.rowcount:
        state.changes.events.append(MailboxChanged(state.id, 0, state.modseq))
