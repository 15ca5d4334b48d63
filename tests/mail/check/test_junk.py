from mail.check.junk import WORDS_TOLD, explain
from mail.junk.words import message_numbers
from mail.now import SetClock
from mail.store import junk_words
from mail.store.classes import HAM, NONE, SPAM
from mail.store.engine import Store
from tests.mail.store.test_changes import World

HEAD = b"From: Ann <ann@a.example>\r\nSubject: x\r\n\r\n"
GOOD, JUNK = HEAD + b"meeting minutes kernel patch\r\n", HEAD + b"lottery winner casino pills\r\n"


def learn(store: Store, account_id: int, messages: int) -> None:
    counted = junk_words.Counted()
    for _ in range(messages):
        counted.move(message_numbers(GOOD), NONE, HAM)
        counted.move(message_numbers(JUNK), NONE, SPAM)
    with store.write() as tx:
        counted.write(tx, account_id)


def told(store: Store, account_id: int, octets: bytes, threshold: float = 0.95) -> dict:
    with store.read() as connection:
        return explain(connection, account_id, octets, threshold)


def test_before_anything_is_learnt_nothing_is_known(store: Store, clock: SetClock):
    world = World(store, clock)
    found = told(store, world.account, JUNK)
    assert (found["probability"], found["significant"], found["junk"], found["known"]) == (0.5, False, False, 0)
    assert found["words"] > 3 and found["spam_words"] == [] == found["ham_words"]


def test_the_words_that_decide_are_told_with_their_counts(store: Store, clock: SetClock):
    world = World(store, clock)
    learn(store, world.account, 60)
    found = told(store, world.account, JUNK)
    assert found["junk"] and found["significant"] and found["probability"] > 0.95
    assert (found["hams"], found["spams"], found["ham_words"]) == (60, 60, [])
    assert {"word": "lottery", "share": 0.998, "ham": 0, "spam": 60} in found["spam_words"]
    good = told(store, world.account, GOOD)
    assert not good["junk"] and "kernel" in [one["word"] for one in good["ham_words"]]
    assert told(store, world.account + 1, JUNK)["known"] == 0  # another account has learnt nothing


def test_line_ends_do_not_matter_and_the_threshold_does(store: Store, clock: SetClock):
    world = World(store, clock)
    learn(store, world.account, 60)
    found = told(store, world.account, JUNK)
    assert told(store, world.account, JUNK.replace(b"\r\n", b"\n")) == found
    assert not told(store, world.account, JUNK, found["probability"])["junk"]


def test_only_the_loudest_words_are_told(store: Store, clock: SetClock):
    world = World(store, clock)
    octets = HEAD + b" ".join(b"word%s" % bytes([97 + at // 26, 97 + at % 26]) for at in range(300)) + b"\r\n"
    counted = junk_words.Counted()
    counted.move(message_numbers(octets), NONE, SPAM)
    with store.write() as tx:
        counted.write(tx, world.account)
    found = told(store, world.account, octets)
    assert found["known"] > WORDS_TOLD == len(found["spam_words"])
