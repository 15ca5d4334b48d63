"""Mailboxes change by one door, and their counters are always what counting gives: on both databases."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from mail import events
from mail.errors import MailboxExists, MailboxHasChildren, MailboxRefused, NoSuchMailbox, OverQuota
from mail.events import Event
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import accounts, blob_rows, mailbox_changes, mailboxes, message_changes, messages
from mail.store.blob_rows import BlobRow
from mail.store.changes import AccountState, Changes, changing
from mail.store.engine import Store
from mail.store.flags import DELETED, FLAGGED, SEEN
from mail.store.rows import ArrivalRow, NewMessage
from mail.store.verify import findings
from tests.mail.store.blobs_in_rows import NoFiles

OCTETS = b"Subject: Hello\r\nFrom: a@example.org\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\nbody\r\n"


class Heard(list[Event]):
    """A publisher that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.woken: list[str] = []

    def publish(self, happened: Iterable[Event], *, wake: Iterable[str] = ()) -> None:
        self.extend(happened)
        self.woken.extend(wake)


class World:
    """One account, its changes, and what was published."""

    def __init__(self, store: Store, clock: SetClock, *, blobs: int = 0) -> None:
        """`blobs`: how many the store has already."""
        self.store, self.clock, self.heard = store, clock, Heard()
        with changing(store, self.heard, clock=clock) as changes:
            self.account = accounts.add_account(changes, f"ann{blobs or ''}")
        self.heard.clear()
        self._blobs = blobs

    @contextmanager
    def change(self) -> Iterator[AccountState]:
        with changing(self.store, self.heard, clock=self.clock) as changes:
            yield changes.account(self.account)

    def mailbox(self, name: str = "Inbox") -> mailboxes.MailboxRow:
        with self.store.read() as connection:
            found = mailboxes.find_mailbox(connection, self.account, name)
        assert found is not None
        return found

    def add(
        self, state: AccountState, count: int, name: str = "Inbox", flags: int = 0, arrival: ArrivalRow | None = None
    ) -> list[int]:
        added = [
            NewMessage(self.blob(state.changes), len(OCTETS) + 2, 1000, b"X:", flags, arrival=arrival)
            for _ in range(count)
        ]
        return state.add_messages(self.mailbox(name).id, added)

    def blob(self, changes: Changes) -> str:
        self._blobs += 1
        row = blob_row(self._blobs)
        changes.add_blob(blob_rows.blob_values(row, summarize(OCTETS)), OCTETS)
        return row.id

    def check(self) -> None:
        """Every invariant of the store."""
        assert list(findings(self.store, NoFiles())) == []


def blob_row(number: int) -> BlobRow:
    return BlobRow(f"{number:032x}", "", len(OCTETS), hashlib.sha256(OCTETS).digest(), 1, OCTETS)


@pytest.fixture
def world(store: Store, clock: SetClock) -> World:
    return World(store, clock)


def test_a_new_account_has_subscribed_mailboxes_with_their_uses(world: World) -> None:
    with world.store.read() as connection:
        rows = mailboxes.list_mailboxes(connection, world.account)
    assert {row.name: row.special_use for row in rows} == {
        "Archive": ("\\Archive",),
        "Drafts": ("\\Drafts",),
        "Inbox": (),
        "Junk": ("\\Junk",),
        "Sent": ("\\Sent",),
        "Trash": ("\\Trash",),
    }
    assert all(row.subscribed for row in rows)
    assert len({row.uidvalidity for row in rows}) == 6
    world.check()


def test_uids_grow_and_counters_count(world: World) -> None:
    with world.change() as state:
        assert world.add(state, 3) == [1, 2, 3]
        assert world.add(state, 1, flags=SEEN | DELETED) == [4]
    box = world.mailbox()
    assert (box.messages, box.unseen, box.deleted, box.uidnext) == (4, 3, 1, 5)
    assert box.size == 4 * (len(OCTETS) + 2)
    world.check()


def test_one_transaction_has_one_modseq_and_is_heard_after_it(world: World) -> None:
    before = world.mailbox().highestmodseq
    with world.change() as state:
        world.add(state, 2)
        assert world.heard == []
    with world.store.read() as connection:
        rows = messages.index(connection, world.account, world.mailbox().id)
    assert {row[1] for row in rows} == {before + 1} == {world.mailbox().highestmodseq}
    assert [type(event) for event in world.heard] == [events.MessageAdded]


def test_what_raises_publishes_nothing(world: World) -> None:
    with pytest.raises(NoSuchMailbox), world.change() as state:
        world.add(state, 1)
        state.mailbox(999)
    assert world.heard == [] and world.mailbox().messages == 0


def test_storing_the_same_flags_changes_no_modseq(world: World) -> None:
    with world.change() as state:
        world.add(state, 2)
    with world.change() as state:
        message_changes.store_flags(state, world.mailbox().id, [1], add=FLAGGED, add_keywords=frozenset({"work"}))
    modseq = world.mailbox().highestmodseq
    with world.change() as state:
        result = message_changes.store_flags(state, world.mailbox().id, [1], add=FLAGGED)
        assert result.changed == []
    assert world.mailbox().highestmodseq == modseq
    with world.store.read() as connection:
        assert mailboxes.keywords(connection, world.account, world.mailbox().id) == {"work"}
    world.check()


def test_unchanged_since_leaves_newer_messages_alone(world: World) -> None:
    with world.change() as state:
        world.add(state, 2)
    since = world.mailbox().highestmodseq
    with world.change() as state:
        message_changes.store_flags(state, world.mailbox().id, [2], add=SEEN)
    with world.change() as state:
        result = message_changes.store_flags(state, world.mailbox().id, [1, 2], add=FLAGGED, unchanged_since=since)
    assert ([row.uid for row in result.changed], result.modified) == ([1], [2])
    assert world.mailbox().unseen == 1
    world.check()


def test_expunged_uids_are_remembered_and_never_given_again(world: World) -> None:
    with world.change() as state:
        world.add(state, 3)
    since = world.mailbox().highestmodseq
    with world.change() as state:
        assert message_changes.expunge(state, world.mailbox().id, [2, 3, 77]) == [2, 3]
    with world.change() as state:
        assert world.add(state, 1) == [4]
    with world.store.read() as connection:
        assert messages.vanished_uids(connection, world.account, world.mailbox().id, since) == [2, 3]
    world.check()


def test_copy_shares_the_content_and_move_takes_it_along(world: World) -> None:
    with world.change() as state:
        world.add(state, 3, flags=FLAGGED)
    inbox, trash = world.mailbox(), world.mailbox("Trash")
    with world.change() as state:
        assert message_changes.copy(state, inbox.id, [1, 3], trash.id) == [(1, 1), (3, 2)]
        assert message_changes.move(state, inbox.id, [2], trash.id) == [(2, 3)]
    assert (world.mailbox().messages, world.mailbox("Trash").messages) == (2, 3)
    with world.store.read() as connection:
        rows = list(messages.contents(connection, world.account, trash.id, [1, 2, 3]))
    assert [(row.prefix, row.octets) for row in rows] == [(b"X:", OCTETS)] * 3
    world.check()


def test_a_full_account_takes_no_more_but_may_tidy_up(world: World) -> None:
    with world.change() as state:
        world.add(state, 2)
    with world.store.write() as tx:
        accounts.change_account(tx, world.account, quota=2 * (len(OCTETS) + 2))
    with pytest.raises(OverQuota), world.change() as state:
        world.add(state, 1)
    with world.change() as state:
        message_changes.move(state, world.mailbox().id, [1], world.mailbox("Trash").id)
    world.check()


CAME = ArrivalRow("Inbox", 1000)


def test_the_fields_we_put_in_front_need_no_room_and_take_it(world: World) -> None:
    with world.store.write() as tx:
        accounts.change_account(tx, world.account, quota=2 * len(OCTETS))
    with world.change() as state:
        # Two of one transaction: there is room for them by what was sent, and that is what their senders were told by.
        world.add(state, 1, arrival=CAME)
        world.add(state, 1, arrival=CAME)
        assert state.size == 2 * (len(OCTETS) + 2)
    with pytest.raises(OverQuota), world.change() as state:
        world.add(state, 1, arrival=CAME)
    world.check()


def test_a_copy_of_what_is_here_needs_room_for_all_of_it(world: World) -> None:
    with world.change() as state:
        (uid,) = world.add(state, 1, arrival=CAME)
    with world.store.write() as tx:
        accounts.change_account(tx, world.account, quota=2 * len(OCTETS) + 2)
    with pytest.raises(OverQuota), world.change() as state:
        message_changes.copy(state, world.mailbox().id, [uid], world.mailbox("Archive").id)
    with world.store.write() as tx:
        accounts.change_account(tx, world.account, quota=2 * (len(OCTETS) + 2))
    with world.change() as state:
        message_changes.copy(state, world.mailbox().id, [uid], world.mailbox("Archive").id)
    world.check()


def test_mailboxes_are_made_renamed_and_removed_with_all_below(world: World) -> None:
    with world.change() as state:
        mailbox_changes.create_mailbox(state, "a/b/c")
    with world.change() as state:
        mailbox_changes.rename_mailbox(state, "a", "z/a")
    with world.store.read() as connection:
        names = {row.name for row in mailboxes.list_mailboxes(connection, world.account)}
        assert {"z", "z/a", "z/a/b", "z/a/b/c"} <= names and "a" not in names
        assert "z/a/b/c" in mailboxes.subscriptions(connection, world.account)
    for name, error in (("z/a", MailboxHasChildren), ("nowhere", NoSuchMailbox), ("inbox", MailboxRefused)):
        with pytest.raises(error), world.change() as state:
            mailbox_changes.delete_mailbox(state, name)
    with world.change() as state:
        mailbox_changes.delete_mailbox(state, "z/a/b/c")
    world.check()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("InBoX", MailboxExists),
        ("a//b", MailboxRefused),
        ("x\ny", MailboxRefused),
        ("..", MailboxRefused),
        ("a*", MailboxRefused),
    ],
)
def test_a_name_that_cannot_be_is_refused(world: World, name: str, error: type[Exception]) -> None:
    with pytest.raises(error), world.change() as state:
        mailbox_changes.create_mailbox(state, name)


def test_renaming_the_inbox_moves_its_messages(world: World) -> None:
    with world.change() as state:
        world.add(state, 2)
    with world.change() as state:
        mailbox_changes.rename_mailbox(state, "INBOX", "Old")
    assert (world.mailbox().messages, world.mailbox("Old").messages) == (0, 2)
    world.check()


def test_a_special_use_belongs_to_one_mailbox(world: World) -> None:
    with pytest.raises(MailboxRefused, match="already"), world.change() as state:
        mailbox_changes.create_mailbox(state, "Sent2", "\\Sent")


def test_stored_texts_answer_searches(world: World) -> None:
    with world.change() as state:
        world.add(state, 2)
    box = world.mailbox().id
    with world.store.read() as connection:
        assert messages.search_texts(connection, world.account, box, "subject", "hel") == {1, 2}
        assert messages.search_texts(connection, world.account, box, "subject", "%") == set()
        assert messages.sent_days(connection, world.account, box) == [(1, 20781), (2, 20781)]
        assert [row[0] for row in messages.summaries(connection, world.account, box, [2])] == [2]
        assert messages.modseqs(connection, [world.account]) == {world.account: world.mailbox().highestmodseq}
