"""A refusal before the message was read: what is kept of it, and that nothing else gets in this way."""

from dataclasses import replace

import pytest

from mail.errors import Bug, Busy, Invalid, MailError, OverQuota, StorageFault, StorageFull, Unavailable
from mail.receive.refusals import SENTENCES, Refusal, reason_for

REFUSED = Refusal(
    *(1_800_000_000_000, "c" * 16, "192.0.2.1", "client.example", "x@remote.example", "nobody@a.example"),
    *(550, "5.1.1", "No such user here", "unknown-recipient"),
)


def test_a_refusal_comes_back_as_it_went():
    assert Refusal.from_json(REFUSED.as_json()) == REFUSED


def test_the_trace_says_why_and_what_was_answered():
    assert REFUSED.detail["sentence"] == "There is no such address here."
    assert REFUSED.detail["reply"] == "550 5.1.1 No such user here"


@pytest.mark.parametrize(
    ("rcpt_to", "reason", "stage"),
    [
        ("", "too-large", "MAIL"),
        ("", "no-space", "MAIL"),
        ("ann@a.example", "unknown-recipient", "RCPT"),
        ("ann@a.example", "too-large", "DATA"),
        ("ann@a.example", "smuggling", "DATA"),
        ("ann@a.example", "not-stored", "END"),
    ],
)
def test_the_trace_says_how_far_it_came(rcpt_to: str, reason: str, stage: str):
    assert replace(REFUSED, rcpt_to=rcpt_to, reason=reason).detail["stage"] == stage


@pytest.mark.parametrize("error", [StorageFault(), Busy(), Bug("x"), Unavailable(), OverQuota()])
def test_what_we_failed_to_store_has_a_word(error: MailError):
    assert reason_for(error) == "not-stored" and reason_for(StorageFull()) == "no-space"


@pytest.mark.parametrize("wrong", [{"reason": "because"}, {"at": "soon"}, {"code": None}])
def test_what_is_no_refusal_of_ours_is_invalid(wrong: dict[str, object]):
    with pytest.raises(Invalid):
        Refusal.from_json({**REFUSED.as_json(), **wrong})


def test_no_text_is_longer_than_its_bound():
    assert len(Refusal.from_json({**REFUSED.as_json(), "text": "x" * 10_000}).text) == 500


def test_every_sentence_is_one():
    assert all(one[0].isupper() and one.endswith(".") for one in SENTENCES.values())
