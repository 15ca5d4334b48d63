"""Counts made anew are those of the messages there are, and nobody sees them half made."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select, update

from mail.errors import NoSuchAddress
from mail.store import removal, retrain, training
from mail.store.engine import Store
from mail.store.flags import JUNK, NOTJUNK
from mail.store.junk_words import Totals
from mail.store.schema import arrival, junk_total, junk_word
from tests.mail.store.pupil import Pupil, RowsOnly, hashes


@pytest.fixture
def pupil(store: Store, clock: object) -> Pupil:
    return Pupil(store, clock)  # type: ignore[arg-type]


def made_anew(pupil: Pupil, found: training.Hashes = hashes) -> retrain.Retrained:
    return retrain.retrain(pupil.store, RowsOnly(), pupil.account, found)


def all_counts(pupil: Pupil) -> list[object]:
    with pupil.store.read() as connection:
        return [
            *connection.execute(select(junk_word).order_by(junk_word.c.account_id, junk_word.c.word)),
            *connection.execute(select(junk_total)),
        ]


def test_an_unchanged_account_has_the_same_counts_afterwards(pupil: Pupil) -> None:
    for number in range(150):
        pupil.deliver(f"w{number} w{number // 10} all", ("Junk", "Archive", "Inbox")[number % 3])
    while pupil.learn():
        pass
    before = all_counts(pupil)
    told: list[tuple[int, int]] = []
    result = retrain.retrain(pupil.store, RowsOnly(), pupil.account, hashes, lambda done, of: told.append((done, of)))
    assert (all_counts(pupil), result.totals, told) == (before, Totals(50, 50), [(100, 100)])
    assert result.words == len(before) - 1
    assert pupil.learn() == 0
    pupil.check()


def test_other_words_replace_the_old_ones(pupil: Pupil) -> None:
    pupil.deliver("cheap watches", "Junk")
    pupil.learn()
    with pupil.store.write() as tx:
        tx.execute(update(junk_word).values(spam=77))
    made_anew(pupil, lambda octets: hashes(octets)[:1])
    assert (pupil.word("cheap"), pupil.word("watches"), pupil.totals()) == ((0, 1), (0, 0), (0, 1))


def test_what_was_learnt_of_messages_that_are_gone_is_forgotten(pupil: Pupil) -> None:
    pupil.deliver("kept", "Junk")
    gone = pupil.deliver("gone", "Junk")
    pupil.learn()
    pupil.expunge("Junk", gone)
    made_anew(pupil)
    assert (pupil.word("kept"), pupil.word("gone"), pupil.totals()) == ((0, 1), (0, 0), (0, 1))
    pupil.check()


def test_what_changes_meanwhile_is_learnt_after_the_swap(pupil: Pupil) -> None:
    early, turned = pupil.deliver("early", "Junk"), pupil.deliver("turned", "Junk")
    gone = pupil.deliver("gone", "Junk")
    pupil.learn()
    steps = 0

    def beside(octets: bytes) -> Sequence[int]:
        """While the first batch is read, the owner and the job go on."""
        nonlocal steps
        steps += 1
        if steps == 1:
            pupil.flag("Junk", early, remove=JUNK)
            pupil.deliver("late", "Junk")
            pupil.learn()
            assert (pupil.word("turned"), pupil.word("late"), pupil.totals()) == ((0, 1), (0, 1), (0, 3))
        return hashes(octets)

    def then(done: int, of: int) -> None:
        if not done_once:
            done_once.append(done)
            pupil.flag("Junk", turned, add=NOTJUNK, remove=JUNK)
            pupil.expunge("Junk", gone)
            pupil.learn()
            pupil.check()

    done_once: list[int] = []
    retrain.retrain(pupil.store, RowsOnly(), pupil.account, beside, then)
    pupil.check()
    pupil.learn()
    assert pupil.word("early") == (0, 0)
    assert (pupil.word("turned"), pupil.word("late"), pupil.word("gone")) == ((1, 0), (0, 1), (0, 1))
    assert pupil.totals() == (1, 2)
    pupil.check()


def test_one_that_was_killed_leaves_the_old_counts_and_is_begun_anew(pupil: Pupil) -> None:
    pupil.deliver("cheap", "Junk")
    pupil.learn()

    def killed(done: int, of: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retrain.retrain(pupil.store, RowsOnly(), pupil.account, hashes, killed)
    assert (pupil.word("cheap"), pupil.totals()) == ((0, 1), (0, 1))
    pupil.check()
    made_anew(pupil)
    assert (pupil.word("cheap"), pupil.totals()) == ((0, 1), (0, 1))
    with pupil.store.read() as connection:
        assert connection.execute(select(arrival.c.retrained)).scalars().all() == [0]
        assert connection.execute(select(junk_word).where(junk_word.c.account_id < 0)).all() == []


def test_an_account_removed_meanwhile_leaves_nothing(pupil: Pupil) -> None:
    pupil.deliver("cheap", "Junk")

    def removed(octets: bytes) -> Sequence[int]:
        with pupil.store.write() as tx:
            removal.remove_account(tx, pupil.account)
        return hashes(octets)

    with pytest.raises(NoSuchAddress):
        made_anew(pupil, removed)
    assert all_counts(pupil) == []
