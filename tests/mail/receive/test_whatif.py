"""Decisions made again with another threshold: what changes, what does not, and what cannot be asked."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import decide
from mail.policy.verdict import ACCEPT, REJECTS_TO_MAILBOX
from mail.receive.whatif import WhatIf
from mail.store.traces import TraceRow
from tests.mail.policy.drawn import messages, recipients
from tests.mail.policy.test_incoming import ME, NOW, STRANGER, knowing


def record(message: MessageFacts, recipient: RecipientFacts, **more: Any) -> TraceRow:
    verdict = decide(message, recipient, NOW)
    detail = {"message": message.as_json(), "recipient": recipient.as_json(), "action": verdict.action, **more}
    kept = orjson.loads(orjson.dumps(detail))
    return TraceRow(7, NOW, "c", "in", 1, None, "a@x.example", "me@ours.example", "1@x", "", "", verdict.reason, kept)


def scored(probability: float, **more: Any) -> TraceRow:
    return record(replace(STRANGER, subject="hello"), replace(ME, probability=probability, **more))


def asked(threshold: float, *records: TraceRow, last: int = 1000) -> tuple[WhatIf, list[Any]]:
    made = WhatIf(threshold, last)
    return made, list(made.changes(records))


def test_a_lower_threshold_refuses_what_was_taken():
    made, (change,) = asked(0.6, scored(0.7), scored(0.5))
    assert (change.action, change.reason) == ("accept", "no-bad-signals")
    assert (change.new_action, change.new_reason) == ("reject", "junk-content")
    assert (change.id, change.subject, change.score, change.mail_from) == (7, "hello", 0.7, "a@x.example")
    assert (made.decided, made.refused, made.taken, made.otherwise, made.skipped) == (2, 1, 0, 0, 0)


def test_a_higher_threshold_takes_what_was_refused():
    made, (change,) = asked(0.99, scored(0.97), scored(0.995))
    assert (change.reason, change.new_reason, change.taken) == ("junk-content", "no-bad-signals", True)
    assert (made.refused, made.taken) == (0, 1)


def test_the_noise_stays_as_it_was():
    assert asked(0.6, scored(0.58, noise=-0.04))[0].refused == 1
    assert asked(0.6, scored(0.62, noise=0.04))[0].refused == 0


def test_what_did_not_depend_on_content_stays():
    known = record(STRANGER, replace(knowing(STRANGER, junk=False), probability=0.9))
    forged = record(replace(STRANGER, dmarc="fail", dmarc_policy="reject"), replace(ME, probability=0.9))
    unlearnt, unfiltered = scored(0.9, significant=False), scored(0.9, has_junk_filter=False)
    made, changes = asked(0.1, known, forged, unlearnt, unfiltered)
    assert (made.decided, changes) == (4, [])


def test_another_reason_for_the_same_refusal_is_counted_apart():
    made, (change,) = asked(0.2, scored(0.97, in_to_or_cc=False))
    assert (change.reason, change.new_reason) == ("junk-content-strict", "junk-content")
    assert (made.refused, made.taken, made.otherwise) == (0, 0, 1)


def test_what_was_put_aside_beside_others_that_took_it_would_have_been_taken():
    row = record(STRANGER, replace(ME, probability=0.97), action=REJECTS_TO_MAILBOX)
    made, (change,) = asked(0.99, row)
    assert (change.action, change.new_action, made.taken) == (REJECTS_TO_MAILBOX, ACCEPT, 1)


def test_records_without_facts_are_counted_and_left_out():
    bare = replace(scored(0.7), detail={"local": True})
    broken = replace(scored(0.7), detail={"message": {"ip": 1}, "recipient": {}})
    made, changes = asked(0.6, bare, broken, scored(0.7))
    assert (made.skipped, made.decided, len(changes)) == (2, 1, 1)


def test_no_more_are_looked_at_than_are_wanted_and_none_is_held():
    drawn: list[int] = []

    def endless() -> Iterator[TraceRow]:
        while True:
            drawn.append(1)
            yield scored(0.7)

    made = WhatIf(0.6, 30)
    assert sum(1 for _ in made.changes(endless())) == 30
    assert (made.decided, len(drawn)) == (30, 31)


@settings(max_examples=100, deadline=None)
@given(messages(), recipients(), st.floats(0, 1))
def test_the_threshold_it_had_changes_nothing(message: MessageFacts, recipient: RecipientFacts, other: float):
    assert asked(recipient.threshold, record(message, recipient))[1] == []
    made, changes = asked(other, record(message, recipient))
    assert made.refused + made.taken + made.otherwise == len(changes)
