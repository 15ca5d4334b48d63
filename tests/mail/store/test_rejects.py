"""The Rejects mailbox: one copy of a refusal, for a while, until its message is taken after all."""

import hashlib

import pytest

from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import rejects
from mail.store.blob_rows import BlobRow, blob_values
from mail.store.engine import Store
from mail.store.flags import SEEN
from mail.store.rejects import Room
from mail.store.rows import ArrivalRow, NewMessage
from tests.mail.store.pupil import Pupil

DAY_S = 86_400
NAME = "Rejects"


class Owner(Pupil):
    """One account, and what is refused for it."""

    def refuse(self, message_id: str, text: str = "", *, keep_all: bool = False, name: str = NAME) -> bool:
        """Was a copy put there?"""
        self._blobs += 1
        octets = f"Message-ID: <{message_id}>\r\n\r\n{text or message_id}\r\n".encode()
        summary = summarize(octets)
        row = BlobRow(f"{self._blobs:032x}", "", len(octets), hashlib.sha256(octets).digest(), 1, octets)
        with self.change() as state:
            if rejects.make_room(state, name, row, summary.message_id, keep_all=keep_all) is not Room.FREE:
                return False
            target = state.mailbox_named(name)
            assert target is not None
            came = ArrivalRow("Inbox", 1000, (7,), 5, True)
            state.add_messages(target.id, [NewMessage(row.id, len(octets), 1000, b"", SEEN, arrival=came)])
            state.changes.add_blob(blob_values(row, summary), octets)
        return True

    def accept(self, message_id: str, name: str = NAME) -> int:
        with self.change() as state:
            return rejects.remove(state, name, message_id)

    def held(self, name: str = NAME) -> int:
        self.check()
        return self.mailbox(name).messages


@pytest.fixture
def owner(store: Store, clock: SetClock) -> Owner:
    return Owner(store, clock)


def test_the_mailbox_is_made_when_it_is_needed(owner: Owner) -> None:
    assert owner.refuse("1@x.example")
    box = owner.mailbox(NAME)
    assert (box.messages, box.unseen, box.subscribed) == (1, 0, True)
    assert owner.held() == 1


def test_the_same_message_is_there_once_by_its_id_or_its_octets(owner: Owner) -> None:
    assert owner.refuse("1@x.example", "first")
    assert not owner.refuse("1@x.example", "sent again, and changed on the way")
    assert owner.refuse("2@x.example")
    assert owner.refuse("", "without an id") and not owner.refuse("", "without an id")
    assert owner.refuse("", "another without an id")
    assert owner.held() == 4
    assert owner.refuse("1@x.example", name="Elsewhere"), "another mailbox, another matter"


def test_what_is_taken_after_all_is_not_kept_among_the_rejects(owner: Owner) -> None:
    for message_id in ("1@x.example", "2@x.example"):
        owner.refuse(message_id)
    assert (owner.accept("1@x.example"), owner.accept("1@x.example"), owner.accept("3@x.example")) == (1, 0, 0)
    assert (owner.accept("2@x.example", ""), owner.accept("2@x.example", "Nowhere"), owner.accept("")) == (0, 0, 0)
    assert owner.held() == 1
    assert owner.refuse("1@x.example"), "and may be refused anew"


def test_after_two_weeks_they_go_when_another_comes(owner: Owner, clock: SetClock) -> None:
    owner.refuse("old@x.example")
    clock.move(DAY_S)
    owner.refuse("young@x.example")
    clock.move(13 * DAY_S - 1)
    owner.refuse("new@x.example")
    assert owner.held() == 3
    clock.move(2)
    owner.refuse("newer@x.example")
    assert owner.held() == 3 and owner.accept("old@x.example") == 0
    clock.move(30 * DAY_S)
    assert owner.refuse("old@x.example") and owner.held() == 1


def test_a_thousand_are_enough(owner: Owner, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "KEPT_MAX", 3)
    assert [owner.refuse(f"{number}@x.example") for number in range(5)] == [True, True, True, False, False]
    clock.move(15 * DAY_S)
    assert owner.refuse("9@x.example") and owner.held() == 1
    assert rejects.KEPT_MS == 14 * DAY_S * 1000


def test_who_keeps_them_keeps_all(owner: Owner, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "KEPT_MAX", 3)
    for number in range(5):
        assert owner.refuse(f"{number}@x.example", keep_all=True)
    clock.move(15 * DAY_S)
    assert owner.refuse("9@x.example", keep_all=True) and owner.held() == 6
    assert not owner.refuse("9@x.example", keep_all=True), "but the same one once"


def test_a_reject_has_no_history_until_it_is_taken_out(owner: Owner) -> None:
    owner.refuse("1@x.example")
    assert owner.history() == []
    (uid,) = owner.move(NAME, "Archive", 1)
    assert [past.junk for past in owner.history()] == [False]
    assert owner.flags("Archive", uid) & SEEN == 0
    owner.check()
