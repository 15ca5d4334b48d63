"""Arriving mail: what its words are worth once the owner has sorted some (features B05, B07, B08; features-1 §9)."""

import random
import re

import pytest

from tests.bundle import wait_until
from tests.receiving import Host, Stranger

OF_HAM = """garden harvest tomatoes library meeting minutes bicycle kitchen recipe school weekend orchard violin
rehearsal neighbour ladder painting carpenter walnut picnic"""
OF_SPAM = """casino jackpot lottery winner prize viagra replica watches mortgage refinance investment crypto guaranteed
bonus unlimited pills discount urgent transfer inheritance"""
HAM, SPAM = OF_HAM.split(), OF_SPAM.split()
GOOD, BAD = " ".join(HAM[:12]), " ".join(SPAM[:12])
# Words that were never sorted: nothing is known, so one half.
NEUTRAL = "platypus marmalade zeppelin ocarina tundra"
TRAINED = 60


def sorted_mail(host: Host, account: str, count: int = TRAINED) -> None:
    """The owner has put good mail and junk into Archive and Junk, and it is learnt."""
    draw = random.Random(7)
    ann = host.stranger()
    for mailbox, vocabulary in (("Archive", HAM), ("Junk", SPAM)):
        messages = [
            ann.message(f"{account}@here.example", body=" ".join(draw.sample(vocabulary, 8))) for _ in range(count)
        ]
        host.append(account, mailbox, *messages)

    def is_learnt() -> bool:
        status = host.mailctl("junk", "status", account)
        return (status["pending"], status["hams"], status["spams"]) == (0, count, count)

    wait_until(is_learnt, 30, "what was sorted is learnt")


@pytest.fixture(scope="module")
def carol(host: Host) -> str:
    """An account whose owner sorts her mail."""
    to = host.account("carol")
    sorted_mail(host, "carol")
    return to


def test_words_of_junk_are_put_off_and_kept_with_the_reason(host: Host, carol: str):
    ann = host.stranger()
    assert ann.write(carol, body=BAD).begins("451 4.3.0 error processing")
    kept = host.kept("carol", "Rejects")[-1]
    assert "\\Seen" in kept.flags
    assert kept.reason.startswith("junk-content; ")
    score, threshold = map(float, re.search(r"content score ([0-9.]+), threshold ([0-9.]+)", kept.reason).groups())
    assert score > 0.95 and 0.90 <= threshold <= 1.0
    words = kept.reason.partition("junk words: ")[2]
    assert len([word for word in SPAM if word in words]) >= 3


def test_words_of_good_mail_are_taken_however_it_comes(host: Host, carol: str):
    for fields, tls in (({}, True), ({}, False), ({"To": "undisclosed@elsewhere.example"}, True)):
        ann = host.stranger(spf="{ip} -all")
        assert ann.send(ann.message(carol, body=GOOD, **fields), carol, tls=tls).begins("250 ")
    ann = host.stranger(iprev=False)
    assert ann.write(carol, body=GOOD).begins("250 ")
    reason = host.kept("carol")[-1].reason
    score = float(re.search(r"content score ([0-9.]+)", reason)[1])
    assert score < 0.05 and "threshold 0.25" in reason and "no name that leads back" in reason


def test_words_nobody_knows_are_taken_from_an_orderly_sender_only(host: Host, carol: str):
    ann = host.stranger()
    assert ann.write(carol, body=NEUTRAL).begins("250 ")
    assert "content score 0.50" in host.kept("carol")[-1].reason
    ways = {
        "not encrypted": (host.stranger(), {}, False),
        "neither To nor Cc": (host.stranger(), {"To": "undisclosed@elsewhere.example"}, True),
        "no name that leads back": (host.stranger(iprev=False), {}, True),
    }
    for cause, (eve, fields, tls) in ways.items():
        reply = eve.send(eve.message(carol, body=NEUTRAL, **fields), carol, tls=tls)
        assert reply.begins("451 4.3.0"), cause
        reason = host.kept("carol", "Rejects")[-1].reason
        assert reason.startswith("junk-content-strict; ") and cause in reason
        assert "content score 0.50, threshold 0.25" in reason


def test_a_known_sender_may_be_disorderly(host: Host, carol: str):
    ann = host.stranger()
    assert ann.write(carol, body=GOOD).begins("250 ")
    host.mark("carol", "$NotJunk", host.kept("carol")[-1].uid)
    message = ann.message(carol, body=NEUTRAL, To="undisclosed@elsewhere.example")
    assert ann.send(message, carol, tls=False).begins("250 ")
    assert host.reason(carol) == "msgfromfull"


def test_forwarded_mail_need_not_be_addressed_and_must_be_encrypted(host: Host, carol: str):
    forwarder = host.stranger()
    rule = ("--forward", "--mail-from-regexp", f"@{forwarder.domain}$", "--verified-domain", forwarder.domain)
    host.mailctl("ruleset", "add", carol, *rule)
    author = host.stranger()
    message = author.message(carol, body=NEUTRAL, To="carol@old.example")
    assert forwarder.send(message, carol).begins("250 ")
    assert forwarder.send(author.message(carol, body=NEUTRAL, To="carol@old.example"), carol, tls=False).begins("451 ")


def test_without_a_junk_filter_words_count_for_nothing(host: Host, carol: str):
    host.mailctl("account", "set", "carol", "--no-junk-filter")
    ann = host.stranger()
    assert ann.send(ann.message(carol, body=BAD), carol, tls=False).begins("250 ")
    host.mailctl("account", "set", "carol", "--junk-filter")
    assert ann.send(ann.message(carol, body=BAD), carol, tls=False).begins("451 ")


def test_a_threshold_of_the_accounts_own_counts_at_once(host: Host, carol: str):
    host.mailctl("account", "set", "carol", "--junk-threshold", "0.3")
    assert host.stranger().write(carol, body=NEUTRAL).begins("451 ")
    # The noise that is added keeps it secret.
    assert re.search(r"threshold 0\.(2[5-9]|3[0-5])", host.kept("carol", "Rejects")[-1].reason)
    host.mailctl("account", "set", "carol", "--junk-threshold", "0.95")
    assert host.stranger().write(carol, body=NEUTRAL).begins("250 ")


def test_a_type_that_is_none_is_junk(host: Host, carol: str):
    ann = host.stranger()
    assert ann.write(carol, body=GOOD, Content_Type="tex t/html; x").begins("451 ")
    assert "content score 1.00" in host.kept("carol", "Rejects")[-1].reason


def test_who_has_sorted_little_is_not_protected_by_it(host: Host):
    to = host.account("dave")
    sorted_mail(host, "dave", 10)
    assert host.stranger().write(to, body=BAD).begins("250 ")
    assert "learnt too little" in host.kept("dave")[-1].reason


def test_counting_anew_changes_nothing(host: Host, carol: str):
    before = host.mailctl("junk", "status", "carol")
    (made,) = host.mailctl("junk", "retrain", "carol")
    assert (made["hams"], made["spams"]) == (before["hams"], before["spams"])
    assert host.stranger().write(carol, body=BAD).begins("451 ") and host.stranger().write(carol, body=GOOD).code == 250


def test_moving_mail_between_mailboxes_teaches_the_filter(host: Host):
    to = host.account("frank")
    assert host.stranger().write(to, body=BAD).begins("250 ")

    def learnt() -> tuple[int, int, int]:
        status = host.mailctl("junk", "status", "frank")
        return status["hams"], status["spams"], status["pending"]

    assert learnt() == (0, 0, 0)
    host.move("frank", "INBOX", "Junk", host.kept("frank")[0].uid)
    wait_until(lambda: learnt() == (0, 1, 0), 20, "one junk")
    host.move("frank", "Junk", "Archive", host.kept("frank", "Junk")[0].uid)
    wait_until(lambda: learnt() == (1, 0, 0), 20, "one good one instead")


def proved(host: Host) -> Stranger:
    """Somebody new whom DMARC proves."""
    return host.stranger(policy="reject")


def token_of(reply: str) -> str:
    return re.search(r"\(pass:[A-Za-z0-9_-]{22}\)", reply)[0]


def test_a_true_sender_is_told_the_way_in_and_comes_in_by_it(host: Host, carol: str):
    ann = proved(host)
    message = ann.sign(ann.message(carol, body=NEUTRAL))
    reply = ann.send(message, carol, tls=False)
    assert reply.begins("550 5.7.1"), host.trace(carol)[0]
    assert host.reason(carol) == "give-subjectpass"
    token = token_of(reply.text)
    again = ann.sign(ann.message(carol, f"Hello {token}", NEUTRAL))
    assert ann.send(again, carol, tls=False).begins("250 ")
    assert host.reason(carol) == "subjectpass"


def test_the_way_in_is_for_one_sender_and_one_recipient(host: Host, carol: str):
    ann = proved(host)
    reply = ann.send(ann.sign(ann.message(carol, body=NEUTRAL)), carol, tls=False)
    token = token_of(reply.text)
    host.mailctl("address", "add", "carol.other@here.example", "carol")
    other = ann.message("carol.other@here.example", token, NEUTRAL)
    assert not ann.send(ann.sign(other), "carol.other@here.example", tls=False).begins("250 ")
    eve = proved(host)
    assert not eve.send(eve.sign(eve.message(carol, token, NEUTRAL)), carol, tls=False).begins("250 ")
    changed = token.translate(str.maketrans("Aa", "aA")) if "A" in token or "a" in token else token.swapcase()
    assert not ann.send(ann.sign(ann.message(carol, changed, NEUTRAL)), carol, tls=False).begins("250 ")


def test_who_is_not_proved_or_plainly_junk_is_not_told_the_way_in(host: Host, carol: str):
    ann = host.stranger()
    assert ann.send(ann.message(carol, body=NEUTRAL), carol, tls=False).begins("451 4.3.0")
    eve = proved(host)
    assert eve.send(eve.sign(eve.message(carol, body=BAD)), carol).begins("451 4.3.0")
    host.mailctl("account", "set", "carol", "--subject-pass-hours", "0")
    assert proved(host).write(carol, body=BAD).begins("451 4.3.0")
    tom = proved(host)
    assert tom.send(tom.sign(tom.message(carol, body=NEUTRAL)), carol, tls=False).begins("451 4.3.0")
    host.mailctl("account", "set", "carol", "--subject-pass-hours", "12")


def test_mail_of_the_unknown_goes_to_the_introbox_where_there_is_one(host: Host):
    to = host.account("grace", introbox="Introbox")
    ann = host.stranger()
    assert ann.write(to).begins("250 ")
    (first,) = host.kept("grace", "Introbox")
    host.move("grace", "Introbox", "INBOX", first.uid)
    host.mark("grace", "$NotJunk", host.kept("grace")[-1].uid)
    assert ann.write(to).begins("250 ")
    assert len(host.kept("grace")) == 2 and host.kept("grace", "Introbox") == []
