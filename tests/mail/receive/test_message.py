"""What a listener says of a message is checked before it is believed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.errors import MailError
from mail.imap.summary import summarize
from mail.junk.words import WORDS_MAX
from mail.policy.facts import MessageFacts
from mail.receive.judge import Arrived
from mail.receive.message import RECIPIENTS_MAX, Message
from mail.receive.turn import Turn
from tests.dkim_signer import MESSAGE

FACTS = MessageFacts(ip="192.0.2.1", spf="pass", author="ann@a.example", size=len(MESSAGE))


def args(**more: Any) -> dict[str, Any]:
    """What `receive` is asked with."""
    return {
        "cid": "c" * 16,
        "mail_from": "ann@a.example",
        "recipients": ["ann@ours.example"],
        "received_at": 1_800_000_000_000,
        "size": len(MESSAGE),
        "smtputf8": False,
        "summary": summarize(MESSAGE).as_json(),
        "facts": FACTS.as_json(),
        "words": "one\ntwo",
        "fields": [["from", "Ann <ann@a.example>"]],
        "delivered_to": [],
        "report": "",
        "evaluation": None,
        "head": "Return-Path: <ann@a.example>\r\n",
        "tail": "Received: by mx.ours.example\r\n",
        "turn": "first",
        **more,
    }


def test_what_is_said_is_read():
    message = Message.from_args(args(turn="again"))
    assert str(message.mail_from) == "ann@a.example" and message.arrived.words == ("one", "two")
    assert message.arrived.fields == (("from", "Ann <ann@a.example>"),) and message.turn is Turn.AGAIN
    assert Message.from_args(args(mail_from="")).mail_from is None
    assert message.require_tls is None and Message.from_args(args(require_tls=True)).require_tls is True


@pytest.mark.parametrize(
    "change",
    [
        {"recipients": []},
        {"recipients": "ann@ours.example"},
        {"recipients": ["ann@ours.example"] * (RECIPIENTS_MAX + 1)},
        {"recipients": [7]},
        {"recipients": ["no address"]},
        {"mail_from": "no address"},
        {"facts": {}},
        {"facts": {"ip": 1}},
        {"facts": None},
        {"fields": [["one"]]},
        {"fields": None},
        {"summary": {}},
        {"summary": None},
        {"size": "many"},
        {"received_at": None},
        {"delivered_to": 7},
        {"head": "\u20ac"},
        {"tail": "\u20ac"},
        {"turn": "never"},
        {"evaluation": ["x"]},
    ],
)
def test_what_cannot_be_a_message_is_refused(change: dict[str, Any]):
    with pytest.raises(MailError):
        Message.from_args(args(**change))


@pytest.mark.parametrize("name", sorted(args().keys() - {"report", "evaluation"}))
def test_nothing_may_be_missing(name: str):
    wanting = args()
    del wanting[name]
    with pytest.raises(MailError):
        Message.from_args(wanting)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("a@b.example"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from(sorted(args())), JSON)
@settings(max_examples=200, deadline=None)
def test_whatever_is_said_is_a_message_or_is_refused(name: str, value: Any):
    try:
        Message.from_args(args(**{name: value}))
    except MailError:
        pass


def test_words_are_bounded():
    assert len(Message.from_args(args(words="\n".join(map(str, range(5000))))).arrived.words) == WORDS_MAX
    assert Message.from_args(args(words="")).arrived.words == ()
    assert Message.from_args(args(words=None)).arrived.words is None


@pytest.mark.parametrize(
    ("mail_from", "spf", "dmarc", "passed"),
    [
        ("ann@a.example", "pass", "none", True),
        ("ann@a.example", "fail", "pass", True),
        ("ann@a.example", "softfail", "temperror", False),
        ("", "pass", "pass", False),
    ],
)
def test_only_a_proved_sender_may_be_told_anything(mail_from: str, spf: str, dmarc: str, passed: bool):
    message = Message.from_args(args(mail_from=mail_from))
    facts = replace(FACTS, spf=spf, dmarc=dmarc)
    assert replace(message, arrived=Arrived(facts, (), ())).sender_passed == passed


def test_a_reason_is_between_the_fields_and_only_where_there_is_one():
    message = Message.from_args(args())
    assert message.prefix("Bob@ours.example") == (
        b"Return-Path: <ann@a.example>\r\nDelivered-To: Bob@ours.example\r\nReceived: by mx.ours.example\r\n"
    )
    lines = message.prefix("bob@ours.example", "word " * 180).split(b"\r\n")
    assert lines[2].startswith(b"X-Mailstead-Reason: word") and max(map(len, lines)) <= 78
