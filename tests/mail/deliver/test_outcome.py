from dataclasses import replace

import pytest

from mail.deliver.outcome import TEXT_MAX, Verdict, judge
from mail.dsn import Kind
from mail.queue.outcome import DEFERRED, DELIVERED, FAILED
from mail.smtp.reply_reader import Reply, local_reply
from tests.claims import DAY_MS, NOW, claimed

HOUR_MS = 3_600_000
DELAY_MS = 4 * HOUR_MS
OK = Reply(250, ("2.0.0 queued",))
LATER = Reply(451, ("4.3.0 later",))
NEVER = Reply(550, ("5.1.1 unknown",))


def judged(one, reply=OK, now=NOW, **more):
    return judge(Verdict(one, reply, "mx.test", "192.0.2.1", **more), now, delay_after_ms=DELAY_MS, jitter=0)


def owed_kind(one, reply=OK, now=NOW, **more):
    owed = judged(one, reply, now, **more).owed
    return owed.kind if owed else None


def test_each_reply_has_its_result():
    assert judged(claimed()).outcome.result == DELIVERED
    assert judged(claimed(), NEVER).outcome.result == FAILED
    later = judged(claimed(), LATER).outcome
    assert later.result == DEFERRED and later.next_attempt_at == NOW + 450_000


@pytest.mark.parametrize("code", [354, 421, 450, 452])
def test_what_is_neither_yes_nor_never_is_tried_again(code):
    assert judged(claimed(), Reply(code, ("x",))).outcome.result == DEFERRED


def test_the_outcome_says_who_said_what():
    outcome = judged(claimed(id=7), NEVER, tls="TLSv1.3 X").outcome
    assert (outcome.queue_recipient_id, outcome.attempt_id) == (7, 1007)
    assert (outcome.code, outcome.enhanced, outcome.text) == (550, "5.1.1", "unknown")
    assert (outcome.host, outcome.ip, outcome.tls) == ("mx.test", "192.0.2.1", "TLSv1.3 X")


def test_a_flood_of_words_is_cut():
    assert len(judged(claimed(), Reply(550, ("x" * 500,) * 100)).outcome.text) == TEXT_MAX


def test_the_sender_is_told_of_a_failure():
    owed = judged(claimed(orcpt="rfc822;b@them.test"), NEVER).owed
    assert owed.kind is Kind.FAILED
    assert (owed.report.status, owed.report.diagnostic) == ("5.1.1", "550 5.1.1 unknown")
    assert (owed.report.remote_mta, owed.report.orcpt) == ("mx.test", "rfc822;b@them.test")


def test_a_temporary_reply_that_was_the_last_becomes_a_failure():
    result = judged(claimed(attempts=36), LATER, NOW + 5 * DAY_MS)
    assert result.outcome.result == FAILED and result.outcome.code == 451
    assert result.owed.kind is Kind.FAILED and result.owed.report.status == "5.4.7"


def test_words_of_our_own_are_put_into_no_servers_mouth():
    report = judged(claimed(), local_reply(556, "5.1.10", "null MX")).owed.report
    assert report.remote_mta == "" and report.status == "5.1.10"


def test_the_sender_is_told_once_of_a_delay():
    late = NOW + 232 * 60_000
    assert owed_kind(claimed(attempts=5), LATER, NOW + 112 * 60_000) is None
    assert owed_kind(claimed(attempts=6), LATER, late) is Kind.DELAYED
    assert owed_kind(claimed(attempts=6, delay_dsn_sent=True), LATER, late) is None
    assert owed_kind(claimed(attempts=6, notify="FAILURE"), LATER, late) is None


def test_what_was_asked_to_wait_is_late_from_its_release():
    release = NOW + DAY_MS
    waited = claimed(release_at=release, expires_at=release + 5 * DAY_MS)
    assert owed_kind(waited, LATER, release) is None
    assert owed_kind(replace(waited, attempts=6), LATER, release + 232 * 60_000) is Kind.DELAYED


def test_success_is_told_when_it_was_asked_for_and_nobody_else_will():
    assert owed_kind(claimed()) is None
    assert owed_kind(claimed(notify="SUCCESS")) is Kind.RELAYED
    assert owed_kind(claimed(notify="SUCCESS"), remote_tells=True) is None
    assert owed_kind(claimed(notify="SUCCESS"), final=True) is Kind.DELIVERED


@pytest.mark.parametrize(
    ("notify", "kind"), [("", Kind.FAILED), ("FAILURE", Kind.FAILED), ("SUCCESS,DELAY", None), ("NEVER", None)]
)
def test_notify_decides_about_failures(notify, kind):
    assert owed_kind(claimed(notify=notify), NEVER) is kind


@pytest.mark.parametrize("reply", [OK, LATER, NEVER])
def test_a_null_sender_is_told_nothing(reply):
    """Security SM-10: a bounce of a bounce would go round for ever."""
    one = claimed(mail_from="", notify="SUCCESS,FAILURE,DELAY", attempts=36)
    assert owed_kind(one, reply, NOW + 5 * DAY_MS) is None


def test_a_policy_refusal_over_one_family_is_tried_over_the_other_once():
    policy = Reply(550, ("5.7.1 we do not like your address",))
    assert judged(claimed(), policy, dual_stack=True).outcome.result == DEFERRED
    assert judged(claimed(attempts=2), policy, dual_stack=True).outcome.result == FAILED
    assert judged(claimed(), policy).outcome.result == FAILED
    assert judged(claimed(), NEVER, dual_stack=True).outcome.result == FAILED
