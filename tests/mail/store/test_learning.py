"""What flags and mailboxes teach: whatever the door, exactly once, on both databases."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from mail.now import SetClock
from mail.policy.keys import key
from mail.store import accounts, mailbox_changes, removal
from mail.store.engine import Store
from mail.store.flags import DELETED, FLAGGED, JUNK, NOTJUNK, SEEN
from mail.store.history import load_sent
from mail.store.invariants import FUNCTIONS, RULES
from mail.store.learning import FILED_AT_ONCE
from mail.store.message_changes import store_flags
from mail.store.schema import arrival, history, junk_total, junk_word, sent_to
from tests.mail.store.pupil import KEY, RECEIVED, Pupil


@pytest.fixture
def pupil(store: Store, clock: object) -> Pupil:
    return Pupil(store, clock)  # type: ignore[arg-type]


def classes(pupil: Pupil) -> list[bool]:
    """Junk or not, of what is filed under the key, newest first."""
    pupil.check()
    return [past.junk for past in pupil.history()]


def test_moved_to_junk_it_is_spam_and_moved_to_the_archive_it_is_ham(pupil: Pupil) -> None:
    uid = pupil.deliver("cheap watches")
    assert (pupil.flags("Inbox", uid), classes(pupil), pupil.learn()) == (0, [], 0)
    (uid,) = pupil.move("Inbox", "Junk", uid)
    assert (pupil.flags("Junk", uid), classes(pupil)) == (JUNK, [True])
    assert pupil.learn() == 1
    assert (pupil.totals(), pupil.word("cheap")) == ((0, 1), (0, 1))
    (uid,) = pupil.move("Junk", "Archive", uid)
    assert (pupil.flags("Archive", uid), classes(pupil)) == (NOTJUNK, [False])
    assert pupil.learn() == 1
    assert (pupil.totals(), pupil.word("cheap")) == ((1, 0), (1, 0))
    (uid,) = pupil.move("Archive", "Inbox", uid)
    assert (pupil.flags("Inbox", uid), classes(pupil), pupil.learn()) == (0, [], 1)
    assert (pupil.totals(), pupil.word("cheap")) == ((0, 0), (0, 0))
    pupil.check()


def test_copied_and_expunged_it_ends_as_what_its_last_copy_is(pupil: Pupil) -> None:
    uid = pupil.deliver("cheap")
    (in_junk,) = pupil.move("Inbox", "Junk", uid)
    pupil.learn()
    pupil.copy("Junk", "Archive", in_junk)
    # Its owner says both.
    assert classes(pupil) == []
    pupil.flag("Junk", in_junk, add=DELETED)
    pupil.expunge("Junk", in_junk)
    assert classes(pupil) == [False]
    assert pupil.learn() == 1
    assert (pupil.totals(), pupil.word("cheap")) == ((1, 0), (1, 0))


def test_store_teaches_as_a_move_does(pupil: Pupil) -> None:
    uids = [pupil.deliver(f"word{number}") for number in range(3)]
    pupil.flag("Inbox", *uids, add=JUNK)
    assert classes(pupil) == [True] * 3
    pupil.flag("Inbox", uids[0], add=NOTJUNK)
    assert classes(pupil) == [True] * 2
    with pupil.change() as state:
        store_flags(state, pupil.mailbox().id, uids, replace=(NOTJUNK | SEEN, frozenset()))
    assert classes(pupil) == [False] * 3
    pupil.flag("Inbox", uids[1], remove=NOTJUNK)
    assert classes(pupil) == [False] * 2
    pupil.learn()
    assert pupil.totals() == (2, 0)


def test_flags_that_say_nothing_teach_nothing(pupil: Pupil) -> None:
    uid = pupil.append("words")
    pupil.flag("Inbox", uid, add=SEEN | FLAGGED)
    assert (pupil.arrivals(), pupil.heard.woken) == (0, [])
    pupil.flag("Inbox", uid, add=JUNK)
    assert (pupil.arrivals(), pupil.heard.woken) == (1, ["learn"])
    pupil.check()


def test_append_keeps_the_junk_flags_it_was_given(pupil: Pupil) -> None:
    assert pupil.flags("Archive", pupil.append("a", "Archive", JUNK | SEEN)) == JUNK | SEEN
    assert pupil.flags("Archive", pupil.append("b", "Archive", SEEN)) == NOTJUNK | SEEN
    assert pupil.flags("Inbox", pupil.append("c", "Inbox", NOTJUNK)) == NOTJUNK
    pupil.learn()
    assert pupil.totals() == (2, 1)
    # An appended message has no keys to be filed under.
    assert classes(pupil) == []


def test_a_mailbox_that_means_nothing_leaves_flags_alone(pupil: Pupil) -> None:
    with pupil.store.write() as tx:
        accounts.change_account(tx, pupil.account, incoming='{"notjunk_mailboxes": "^archive"}')
    (uid,) = pupil.copy("Inbox", "Trash", pupil.append("a", "Inbox", JUNK))
    assert pupil.flags("Trash", uid) == JUNK
    (uid,) = pupil.move("Trash", "Archive", uid)
    assert pupil.flags("Archive", uid) == NOTJUNK
    pupil.check()


def test_emptying_the_junk_mailbox_forgets_nothing(pupil: Pupil) -> None:
    uid = pupil.deliver("cheap", "Junk")
    pupil.learn()
    pupil.expunge("Junk", uid)
    assert (pupil.arrivals(), classes(pupil)) == (0, [True])
    assert (pupil.learn(), pupil.totals(), pupil.word("cheap")) == (0, (0, 1), (0, 1))


def test_a_deleted_mailbox_takes_its_copies_along(pupil: Pupil) -> None:
    with pupil.change() as state:
        mailbox_changes.create_mailbox(state, "Spam")
    kept, lost = pupil.deliver("kept"), pupil.deliver("lost")
    pupil.copy("Inbox", "Spam", kept)
    pupil.move("Inbox", "Spam", lost)
    assert classes(pupil) == [True, True]
    with pupil.change() as state:
        mailbox_changes.delete_mailbox(state, "Spam")
    # The copy that is left has no flags; of the message that is gone stays what was learnt.
    assert (pupil.arrivals(), classes(pupil)) == (1, [True])


def test_a_renamed_inbox_moves_its_messages_under_the_rules_of_the_new_name(pupil: Pupil) -> None:
    uid = pupil.deliver("a")
    with pupil.change() as state:
        mailbox_changes.rename_mailbox(state, "Inbox", "Old")
    assert (pupil.flags("Old", uid), classes(pupil)) == (NOTJUNK, [False])


def test_a_removed_account_leaves_nothing_learnt(pupil: Pupil) -> None:
    pupil.deliver("a", "Junk")
    pupil.append("b", "Sent")
    pupil.learn()
    with pupil.store.write() as tx:
        removal.remove_account(tx, pupil.account)
    with pupil.store.read() as connection:
        for table in (arrival, history, sent_to, junk_word, junk_total):
            assert connection.execute(select(table)).all() == []


def test_what_was_rejected_counts_once_it_is_taken_out(pupil: Pupil) -> None:
    with pupil.change() as state:
        mailbox_changes.create_mailbox(state, "Rejects")
    uid = pupil.deliver("offer", "Rejects", flags=SEEN, rejected=True)
    pupil.flag("Rejects", uid, add=JUNK)
    assert classes(pupil) == []
    pupil.flag("Rejects", uid, remove=JUNK)
    (again,) = pupil.copy("Rejects", "Rejects", uid)
    assert pupil.flags("Rejects", again) == SEEN
    (uid,) = pupil.move("Rejects", "Inbox", uid)
    assert (pupil.flags("Inbox", uid), pupil.mailbox().unseen) == (0, 1)
    pupil.flag("Inbox", uid, add=NOTJUNK | SEEN)
    assert classes(pupil) == [False]
    # It is no reject any more: what was seen stays so.
    (uid,) = pupil.move("Inbox", "Archive", uid)
    assert pupil.flags("Archive", uid) == NOTJUNK | SEEN
    pupil.check()


def test_a_reject_that_a_rule_filed_elsewhere_is_taken_out_too(pupil: Pupil) -> None:
    uid = pupil.deliver("offer", "Trash", flags=SEEN, rejected=True)
    assert classes(pupil) == []
    (uid,) = pupil.copy("Trash", "Archive", uid)
    assert (pupil.flags("Archive", uid), classes(pupil)) == (NOTJUNK, [False])


def test_a_message_in_two_mailboxes_of_an_account_keeps_its_first_arrival(pupil: Pupil) -> None:
    uid = pupil.deliver("a", keys=(1, 2))
    pupil.copy("Inbox", "Archive", uid)
    pupil.copy("Inbox", "Archive", uid)
    assert len(pupil.history(1)) == len(pupil.history(2)) == 1
    pupil.check()


def test_only_the_newest_hundred_of_a_key_are_kept(pupil: Pupil) -> None:
    uids = [pupil.deliver("a") for _ in range(120)]
    pupil.flag("Inbox", *uids, add=JUNK)
    assert [past.at for past in pupil.history()] == [RECEIVED + number for number in range(120, 20, -1)]
    (one,) = [pupil.deliver("b")]
    pupil.flag("Inbox", one, add=NOTJUNK)
    assert (len(pupil.history()), pupil.history()[0].junk, pupil.history()[-1].at) == (100, False, RECEIVED + 22)
    # An old one that changes its class is still too old.
    pupil.flag("Inbox", uids[0], add=NOTJUNK, remove=JUNK)
    assert (len(pupil.history()), pupil.history()[-1].at) == (100, RECEIVED + 22)
    pupil.check()


def test_the_history_of_very_many_is_left_to_the_job(pupil: Pupil) -> None:
    uids = [pupil.deliver("a", keys=(number,)) for number in range(FILED_AT_ONCE + 1)]
    pupil.flag("Inbox", *uids, add=JUNK)
    assert pupil.history(3) == []
    pupil.check()
    while pupil.learn():
        pupil.check()
    assert [len(pupil.history(number)) for number in range(FILED_AT_ONCE + 1)] == [1] * (FILED_AT_ONCE + 1)
    assert pupil.totals() == (0, FILED_AT_ONCE + 1)


def test_what_is_put_into_sent_says_whom_the_owner_wrote_to(pupil: Pupil) -> None:
    keys = [key("to", "bob@mail.b.example"), key("to-domain", "mail.b.example"), key("to-org", "b.example")]

    def written() -> dict[int, int]:
        with pupil.store.read() as connection:
            return load_sent(connection, pupil.account, keys)

    pupil.deliver("a", "Sent")
    uid = pupil.append("b", "Drafts")
    assert written() == {}
    pupil.move("Drafts", "Sent", uid)
    assert written() == dict.fromkeys(keys, RECEIVED)
    with pupil.store.write() as tx:
        tx.execute(update(sent_to).values(at=RECEIVED + 1))
    pupil.append("c", "Sent")
    assert written() == dict.fromkeys(keys, RECEIVED + 1)


def test_what_an_undone_change_taught_is_undone_with_it(pupil: Pupil) -> None:
    uid = pupil.deliver("a")
    with pupil.change() as state:
        changes = state.changes
        changes.flush()
        events = len(changes.events)
        with pytest.raises(ZeroDivisionError), pupil.store.savepoint(changes.tx):
            store_flags(state, pupil.mailbox().id, [uid], add=JUNK)
            raise ZeroDivisionError
        changes.forget(events)
    assert classes(pupil) == []
    assert pupil.history(KEY) == []


BOXES = ("Inbox", "Junk", "Archive", "Rejects")
GIVEN = {"Junk": JUNK, "Archive": NOTJUNK, "Inbox": 0, "Rejects": 0}
USED = count(100_000, 1000)
STEPS = st.one_of(
    st.tuples(st.just("deliver"), st.sampled_from(BOXES), st.booleans()),
    st.tuples(st.just("append"), st.sampled_from(BOXES), st.sampled_from((0, SEEN, JUNK, NOTJUNK, JUNK | NOTJUNK))),
    st.tuples(st.just("flag"), st.integers(0), st.sampled_from((JUNK, NOTJUNK, SEEN)), st.booleans()),
    st.tuples(st.just("copy"), st.integers(0), st.sampled_from(BOXES)),
    st.tuples(st.just("move"), st.integers(0), st.sampled_from(BOXES)),
    st.tuples(st.just("expunge"), st.integers(0)),
    st.tuples(st.just("learn")),
)


@dataclass
class Model:
    """What must have been learnt, worked out message by message. A copy is [mailbox, UID, message, flags]."""

    copies: list[list[Any]] = field(default_factory=list)
    delivered: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    # What was filed and trained of each message, of those that are gone too.
    filed: dict[int, int] = field(default_factory=dict)
    trained: dict[int, int] = field(default_factory=dict)

    def now(self, message: int) -> int | None:
        """None: there is no copy."""
        flags = {copy[3] & (JUNK | NOTJUNK) for copy in self.copies if copy[2] == message}
        if not flags:
            return None
        return {frozenset({JUNK}): JUNK, frozenset({NOTJUNK}): NOTJUNK}.get(frozenset(flags - {0, JUNK | NOTJUNK}), 0)

    def file(self) -> None:
        for message in {copy[2] for copy in self.copies} & self.delivered:
            self.filed[message] = 0 if message in self.rejected else self.now(message) or 0

    def train(self) -> None:
        self.trained |= {message: self.now(message) or 0 for message in {copy[2] for copy in self.copies}}

    def put(self, box: str, uid: int, message: int, flags: int) -> None:
        self.copies.append([box, uid, message, flags])


def play(pupil: Pupil, model: Model, step: tuple[Any, ...]) -> None:
    match step:
        case ("deliver", box, rejected):
            uid = pupil.deliver(f"w{pupil._blobs}", box, rejected=rejected)
            model.delivered.add(pupil._blobs)
            if rejected:
                model.rejected.add(pupil._blobs)
            model.put(box, uid, pupil._blobs, GIVEN[box])
        case ("append", box, flags):
            uid = pupil.append(f"w{pupil._blobs}", box, flags)
            model.put(box, uid, pupil._blobs, flags if flags & (JUNK | NOTJUNK) else flags | GIVEN[box])
        case ("learn",):
            pupil.learn()
            model.train()
        case (verb, pick, *rest) if model.copies:
            change(pupil, model, verb, model.copies[pick % len(model.copies)], rest)
    model.file()


def change(pupil: Pupil, model: Model, verb: str, copy: list[Any], rest: list[Any]) -> None:
    box, uid, message, flags = copy
    match verb, rest:
        case "flag", (flag, True):
            pupil.flag(box, uid, add=flag)
            copy[3] |= flag
        case "flag", (flag, False):
            pupil.flag(box, uid, remove=flag)
            copy[3] &= ~flag
        case "expunge", _:
            pupil.expunge(box, uid)
            model.copies.remove(copy)
        case _, (target,):
            flags = flags & ~(JUNK | NOTJUNK) | GIVEN[target]
            if message in model.rejected and target not in (box, "Rejects"):
                model.rejected.remove(message)
                flags &= ~SEEN
            if verb == "move":
                model.copies.remove(copy)
            (new,) = (pupil.move if verb == "move" else pupil.copy)(box, target, uid)
            model.put(target, new, message, flags)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_whatever_happens_what_is_learnt_is_what_the_copies_say(store: Store, clock: SetClock, steps: Any) -> None:
    pupil, model = Pupil(store, clock, blobs=next(USED)), Model()
    try:
        with pupil.change() as state:
            mailbox_changes.create_mailbox(state, "Rejects")
        for step in steps:
            play(pupil, model, step)
        compare(pupil, model)
    finally:
        with store.write() as tx:
            removal.remove_account(tx, pupil.account)


def compare(pupil: Pupil, model: Model) -> None:
    with pupil.store.read() as connection:
        assert [found for rule in RULES for found in connection.execute(text(rule.statement))] == []
        assert [found for function in FUNCTIONS for found in function(connection)] == []
    assert {(copy[0], copy[1]): copy[3] for copy in model.copies} == {
        (box, row.uid): row.flags for box in BOXES for row in pupil.rows(box)
    }
    junk = {message: found == JUNK for message, found in model.filed.items() if found}
    assert {past.at - RECEIVED: past.junk for past in pupil.history()} == junk
    pupil.learn()
    model.train()
    for found, (messages, place) in {NOTJUNK: (pupil.totals().hams, 0), JUNK: (pupil.totals().spams, 1)}.items():
        words = [message for message, trained in model.trained.items() if trained == found]
        assert messages == len(words)
        assert all(pupil.word(f"w{message - 1}")[place] == 1 for message in words)
