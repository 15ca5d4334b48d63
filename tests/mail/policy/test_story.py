"""The answer to "what happened to this message": one sentence for each way a message can go, and the facts below it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.policy.facts import MessageFacts, RecipientFacts, Word
from mail.policy.incoming import decide
from mail.policy.story import facts, recorded, sentence, story
from tests.mail.policy.drawn import messages, recipients
from tests.mail.policy.test_incoming import FORGED, ME, NOW, STRANGER, knowing

FROM = "from 192.0.2.1 (mx.x.example)"


def when(at: int) -> str:
    return f"day {at - NOW}"


def record(**given: Any) -> Any:
    usual: dict[str, Any] = {"at": NOW, "cid": "c" * 16, "direction": "in", "queue_recipient_id": None}
    usual |= {"mail_from": "a@x.example", "rcpt_to": "me@ours.example", "message_id": "1@x.example"}
    usual |= {"verdict": "accepted", "reason": "no-bad-signals", "detail": {}}
    return SimpleNamespace(**(usual | given))


def judged(message: MessageFacts, recipient: RecipientFacts, **more: Any) -> Any:
    """The record of a decision, as the receipt makes it."""
    verdict = decide(message, recipient, NOW)
    detail: dict[str, Any] = {"message": message.as_json(), "recipient": recipient.as_json()}
    detail |= {"sentence": verdict.sentence, "considered": verdict.considered, "action": verdict.action}
    if verdict.reply is not None:
        detail["reply"] = f"{verdict.reply.code} {verdict.reply.enhanced} {verdict.reply.text}"
    if verdict.rejects_mailbox:
        detail["kept_in"] = verdict.rejects_mailbox
    detail["mailbox"] = verdict.mailbox
    word = "accepted" if verdict.mailbox else "refused"
    return record(verdict=word, reason=verdict.reason, detail=orjson.loads(orjson.dumps(detail | more)))


def told(one: Any) -> dict[str, str]:
    return dict(facts(one))


def test_a_message_that_was_accepted():
    one = judged(STRANGER, ME)
    words = f"Accepted into Inbox of me@ours.example on day 0 {FROM}: nothing speaks against it."
    assert sentence(one, when) == words


def test_a_refusal_of_which_no_copy_could_be_kept_says_so():
    stranger = replace(STRANGER, spf="softfail", dkim=(), dmarc="none", from_validated=False)
    one = judged(stranger, ME, kept_in="", no_copy="there was no room for it")
    assert sentence(one, when).endswith("about the author. No copy was kept: there was no room for it.")
    assert told(one)["copy"] == "there was no room for it"
    assert told(judged(stranger, ME, copy="it was there already"))["copy"] == "in Rejects, it was there already"


def test_a_message_that_was_refused_says_where_its_copy_is():
    stranger = replace(STRANGER, spf="softfail", dkim=(), dmarc="none", from_validated=False)
    assert sentence(judged(stranger, ME), when) == (
        f"Refused for me@ours.example on day 0 {FROM} with 451 4.3.0: SPF softfail for x.example, and nothing is known"
        " about the author. A copy is in Rejects."
    )


def test_a_message_that_a_ruleset_put_elsewhere():
    one = judged(FORGED, replace(ME, ruleset_id=3, ruleset_mailbox="Inbox", accept_rejects_to="Suspicious"))
    assert sentence(one, when) == (
        f"Put into Suspicious of me@ours.example on day 0 {FROM}, where we would have refused it: DMARC fails, and"
        " x.example asks for reject; taken into Suspicious because a ruleset says so."
    )
    assert told(one)["instead"] == "taken into Suspicious because a ruleset says so"


@pytest.mark.parametrize(
    ("stage", "rcpt_to", "words"),
    [
        ("RCPT", "no@ours.example", f"Never reached us: refused at RCPT for no@ours.example on day 0 {FROM}"),
        ("MAIL", "", f"Never reached us: refused at MAIL from a@x.example on day 0 {FROM}"),
        ("DATA", "me@ours.example", f"Refused while its content came for me@ours.example on day 0 {FROM}"),
        ("END", "me@ours.example", f"Put off for me@ours.example on day 0 {FROM}"),
    ],
)
def test_a_message_that_was_never_read(stage: str, rcpt_to: str, words: str):
    detail = {"sentence": "There is no such address here.", "reply": "550 5.1.1 No such user here", "stage": stage}
    detail |= {"ip": "192.0.2.1", "ehlo_name": "mx.x.example"}
    one = record(verdict="refused", reason="unknown-recipient", rcpt_to=rcpt_to, detail=detail)
    assert sentence(one, when) == f"{words} with 550 5.1.1: there is no such address here."
    assert told(one)["answered"] == "550 5.1.1 No such user here"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"detail": {"local": True, "mailbox": "Inbox"}, "reason": "delivered"},
            "Accepted into Inbox of me@ours.example on day 0 from a@x.example, who had logged in here.",
        ),
        (
            {"detail": {"local": True, "mailbox": "Inbox"}, "verdict": "refused", "reason": "OverQuota"},
            "Refused for me@ours.example on day 0: the mailbox is full.",
        ),
        (
            {"reason": "forwarded", "detail": {"message": {"ip": "192.0.2.1"}}},
            "Accepted for me@ours.example on day 0 from 192.0.2.1, and passed on to where that address leads.",
        ),
        (
            {"reason": "covered", "detail": {"message": {"ip": "192.0.2.1", "ehlo_name": "x"}}},
            "Accepted for me@ours.example on day 0 from 192.0.2.1 (x): another recipient of this message has the copy"
            " already.",
        ),
        (
            {"direction": "local", "detail": {"kind": "dsn", "mailbox": "Inbox"}, "mail_from": ""},
            "A notification of ours was put into Inbox of me@ours.example on day 0.",
        ),
    ],
)
def test_what_nobody_judged(given: dict[str, Any], words: str):
    assert sentence(record(**given), when) == words


REMOTE = {"host": "mx.them.test", "ip": "192.0.2.9", "tls": "TLSv1.3", "attempt": 2}


@pytest.mark.parametrize(
    ("verdict", "reason", "detail", "words"),
    [
        ("accepted", "queued", {}, "Taken from a@x.example for b@them.test on day 0, and queued to be sent."),
        (
            *("accepted", "forwarded", {"for": "team@ours.example"}),
            "Queued on day 0 to be passed on to b@them.test, where team@ours.example leads.",
        ),
        (
            *("delivered", "remote-250", REMOTE | {"code": 250, "enhanced": "2.0.0", "text": "Ok: queued"}),
            "Delivered to b@them.test on day 0: mx.them.test [192.0.2.9] said 250 2.0.0 Ok: queued.",
        ),
        (
            *("delivered", "remote-250", {"code": 250, "enhanced": "2.1.5", "text": "stored in Inbox"}),
            "Delivered to b@them.test on day 0: we said 250 2.1.5 stored in Inbox.",
        ),
        (
            *("deferred", "remote-451", REMOTE | {"code": 451, "text": "later.", "next_attempt_at": NOW + 7}),
            "Not delivered to b@them.test by attempt 2 on day 0: mx.them.test [192.0.2.9] said 451 later."
            " It is tried again on day 7.",
        ),
        (
            *("deferred", "no-answer", {"attempt": 1, "text": "connection refused"}),
            "Not delivered to b@them.test by attempt 1 on day 0: connection refused.",
        ),
        (
            *("failed", "remote-550", REMOTE | {"code": 550, "enhanced": "5.1.1", "text": "no such user"}),
            "Given up for b@them.test on day 0 after attempt 2: mx.them.test [192.0.2.9] said 550 5.1.1 no such user.",
        ),
        (
            *("deferred", "crashed", {"phase": "start"}),
            "The delivery process died on day 0 while it had the message for b@them.test; it is tried again.",
        ),
        (
            *("deferred", "duplicate-possible", {"phase": "data-end"}),
            "The delivery process died on day 0 when all of the message for b@them.test was sent and before the answer"
            " came; it is tried again and may arrive twice.",
        ),
        (
            *("held", "poison", {"phase": "start"}),
            "Held on day 0: the delivery process died again and again over the message for b@them.test.",
        ),
        ("dropped", "by-hand", {}, "Dropped for b@them.test on day 0: by-hand."),
    ],
)
def test_what_became_of_mail_that_went_out(verdict: str, reason: str, detail: dict[str, Any], words: str):
    one = record(direction="out", rcpt_to="b@them.test", verdict=verdict, reason=reason, detail=detail)
    assert sentence(one, when) == words


def test_the_facts_of_an_attempt():
    detail = REMOTE | {"code": 250, "text": "Ok", "for": "team@ours.example"}
    one = record(direction="out", verdict="delivered", reason="remote-250", detail=detail, queue_recipient_id=12)
    found = told(one)
    assert (found["host"], found["TLS"], found["attempt"]) == ("mx.them.test [192.0.2.9]", "TLSv1.3", "2")
    assert (found["passed on"], found["queue"]) == ("for team@ours.example", "entry 12")


def test_the_facts_of_a_message_are_all_there():
    junk = replace(
        ME, probability=0.98, in_to_or_cc=False, spam_words=(Word("watches", 0.99),), ham_words=(Word("lunch", 0.02),)
    )
    stranger = replace(STRANGER, dnsbl=("bl.example",), arc="pass", subject="cheap", size=1234)
    one = judged(stranger, junk)
    found = told(one)
    assert found["client"] == "192.0.2.1 (mx.x.example), reverse DNS pass, with TLS"
    assert found["SPF"] == "pass for x.example, by mailfrom"
    assert found["DKIM"] == "pass for x.example"
    assert found["DMARC"] == "pass, x.example asks for none"
    assert (found["ARC"], found["block lists"]) == ("pass", "bl.example")
    assert found["reputation"] == "by none: nothing, nothing is known about the sender"
    assert found["content"] == "score 0.98, threshold 0.25, lowered because the recipient is in neither To nor Cc"
    assert (found["junk words"], found["good words"]) == ("watches 0.99", "lunch 0.02")
    assert (found["subject"], found["size"], found["mailbox"]) == ("cheap", "1,234 octets", "Inbox, had it been taken")
    assert found["reason"] == "refused, junk-content-strict"
    assert found["copy"].startswith("in Rejects")


def test_what_was_not_weighed_is_said_so():
    assert told(judged(STRANGER, knowing(STRANGER, junk=False)))["content"] == "score 0.50, not weighed"


def test_a_policy_that_was_not_followed_says_why():
    one = judged(FORGED, replace(ME, is_forward=True, forwarder_domain="y.example", ruleset_id=2, ruleset_mailbox="F"))
    assert (told(one)["override"], told(one)["ruleset"]) == ("forwarded", "2, into F")


def test_the_story_is_the_sentence_and_the_facts():
    one = judged(STRANGER, ME)
    first, *rest = story(one, when)
    assert first == sentence(one, when)
    assert "  cid          cccccccccccccccc" in rest


@settings(max_examples=150, deadline=None)
@given(messages(), recipients())
def test_every_decision_has_a_story_of_printable_lines(message: MessageFacts, recipient: RecipientFacts):
    one = judged(message, recipient, ip="\x1b[2J")
    for line in story(one, when):
        assert "\n" not in line and "\r" not in line and "\x1b" not in line and "\u202e" not in line
    assert recorded(one.detail) == (message, recipient)


JSON = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(), inner))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["in", "out", "local"]),
    st.sampled_from(["accepted", "refused", "deferred", ""]),
    st.dictionaries(st.sampled_from(["message", "recipient", "sentence", "reply", "mailbox", "for", "text"]), JSON),
)
def test_a_record_of_another_version_is_told_as_far_as_it_can_be(way: str, verdict: str, detail: dict[str, Any]):
    assert story(record(direction=way, verdict=verdict, detail=detail, mail_from="\x1b[1m"), when)
