"""From what each recipient says to the one reply: who gets it, who is told, who waits."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.accounts.expand import Expansion, Refused
from mail.accounts.routing import Route
from mail.address import parse_address
from mail.policy.account_rules import AccountRules
from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import BY_DMARC, UNSAID, decide
from mail.policy.verdict import REJECT, REJECTS_TO_MAILBOX
from mail.receive.judge import Arrived, Destination, Judged
from mail.receive.message import Message
from mail.receive.settled import Outward, Settled, judged_outward, settled_of
from mail.smtp.replies import Reply
from tests.mail.receive.test_message import args

NOW = 1_800_000_000_000
FULL = Reply(452, "4.2.2", "mailbox is full")
PROVED = MessageFacts(ip="192.0.2.1", iprev="pass", tls=True, spf="pass", author="z@a.example", from_domain="a.example")
FORGED = replace(PROVED, spf="none")

# What a recipient may say, by the facts that make it say so.
SAYS: dict[str, dict[str, Any]] = {
    "yes": {},
    "junk": {"has_junk_filter": True, "probability": 0.99, "significant": True, "rejects_mailbox": "Rejects"},
    "junk, no Rejects": {"has_junk_filter": True, "probability": 0.99, "significant": True},
    "full": {"over_quota": True},
    "junk and full": {"has_junk_filter": True, "probability": 0.99, "significant": True, "over_quota": True},
    "verified only": {"auth_required_text": "only verified mail"},
    "too many": {"rate_exceeded": "more than 500 messages a minute from 192.0.2.1/32"},
}


def message_of(facts: MessageFacts = PROVED) -> Message:
    return replace(Message.from_args(args(mail_from="z@a.example")), arrived=Arrived(facts, (), ()))


def judged(message: Message, *said: str) -> list[Judged]:
    made: list[Judged] = []
    for number, words in enumerate(said):
        name = f"u{number}@ours.example"
        facts = RecipientFacts(rcpt_to=name, history={}, no_first_time_delay=True, **SAYS[words])
        route = Route(number, f"u{number}", "Inbox", name, canonical=name)
        verdict = decide(message.arrived.facts, facts, NOW)
        made.append(Judged(Destination(name, route, AccountRules()), facts, verdict, ()))
    return made


LOOP = Refused("team@ours.example", 550, "5.4.6", "Routing loop detected", "alias-loop")
NOBODY = Refused("all@ours.example", 451, "4.3.0", "Nobody to forward for", "no-postmaster")


def settled(*said: str, facts: MessageFacts = PROVED, **expansion: Any) -> Settled:
    message = message_of(facts)
    expanded = Expansion(**expansion)
    return settled_of(message, judged(message, *said), judged_outward(message, expanded, NOW), expanded)


def places(found: Settled) -> list[str]:
    """Where each gets it, with a dash who does not."""
    aside = [one.verdict.rejects_mailbox if one.verdict.reply is None else "" for one in found.judged]
    return [one.verdict.mailbox or kept or "-" for one, kept in zip(found.judged, aside, strict=True)]


@pytest.mark.parametrize(
    ("said", "facts", "reply", "where", "told"),
    [
        (["yes"], PROVED, None, ["Inbox"], []),
        (["yes", "yes"], FORGED, None, ["Inbox", "Inbox"], []),
        (["junk"], PROVED, UNSAID, ["-"], []),
        (["junk", "junk, no Rejects"], FORGED, UNSAID, ["-", "-"], []),
        (["full"], PROVED, FULL, ["-"], []),
        (["full", "full"], FORGED, FULL, ["-", "-"], []),
        # Disagreement about content is told to nobody.
        (["yes", "junk"], PROVED, None, ["Inbox", "Rejects"], []),
        (["junk, no Rejects", "yes"], FORGED, None, ["Junk", "Inbox"], []),
        # Who cannot have it is told when he who sent it is proved, and else all wait.
        (["yes", "full"], PROVED, None, ["Inbox", "-"], [("u1@ours.example", FULL)]),
        (["yes", "full"], FORGED, FULL, ["Inbox", "-"], []),
        (["yes", "verified only"], PROVED, None, ["Inbox", "-"], [("u1@ours.example", 550)]),
        # What waiting does not help is not waited for, and nobody is told who did not send it.
        (["yes", "verified only"], FORGED, None, ["Inbox", "-"], []),
        (["verified only", "full"], FORGED, FULL, ["-", "-"], []),
        (["yes", "too many"], FORGED, 452, ["Inbox", "-"], []),
        # For junk there is no room, and that stops nobody else.
        (["yes", "junk and full"], PROVED, None, ["Inbox", "-"], []),
        (["yes", "junk and full"], FORGED, None, ["Inbox", "-"], []),
        (["junk and full"], FORGED, UNSAID, ["-"], []),
    ],
)
def test_one_reply_for_all(
    said: list[str],
    facts: MessageFacts,
    reply: Reply | int | None,
    where: list[str],
    told: list[tuple[str, Reply | int]],
):
    found = settled(*said, facts=facts)
    code = found.reply.code if isinstance(reply, int) and found.reply is not None else found.reply
    assert code == reply and places(found) == where
    bounced = {one.rcpt_to: one.reply for one in found.bounced}
    assert list(bounced) == [name for name, _ in told]
    for name, wanted in told:
        assert wanted in (bounced[name], bounced[name].code)


def test_who_refused_what_others_take_hears_that_it_was_put_away():
    one = settled("yes", "junk").judged[1].verdict
    assert (one.action, one.reply, one.rejects_mailbox) == (REJECTS_TO_MAILBOX, None, "Rejects")
    assert "put into Rejects, as another recipient takes the message" in one.considered


def test_where_all_wait_each_has_said_what_he_said():
    found = settled("yes", "junk", "full", facts=FORGED)
    assert found.reply == FULL
    # So the refused copy is kept for its owner, as it is where he alone is asked.
    assert [one.verdict.rejects_mailbox for one in found.judged] == ["", "Rejects", ""]
    assert found.judged[1].verdict.action == REJECT and found.keeps


@pytest.mark.parametrize(
    ("said", "facts", "refused", "reply", "told"),
    [
        (["yes"], PROVED, [LOOP], None, ["team@ours.example"]),
        (["yes"], FORGED, [LOOP], None, []),
        (["yes"], PROVED, [LOOP, NOBODY], None, ["team@ours.example", "all@ours.example"]),
        (["yes"], FORGED, [LOOP, NOBODY], 451, []),
        (["junk"], PROVED, [LOOP], 451, []),
        (["verified only"], FORGED, [NOBODY], 451, []),
        ([], PROVED, [LOOP], 550, []),
        ([], FORGED, [LOOP, NOBODY], 451, []),
    ],
)
def test_an_alias_that_refuses_is_one_recipient_among_others(
    said: list[str], facts: MessageFacts, refused: list[Refused], reply: int | None, told: list[str]
):
    found = settled(*said, facts=facts, refused=refused)
    assert (found.reply.code if found.reply else None) == reply
    assert [one.rcpt_to for one in found.bounced] == told


COVERED = ["me@ours.example"]


def test_who_is_covered_takes_it_and_nothing_is_kept_for_him():
    found = settled(covered=COVERED)
    assert (found.reply, found.keeps, found.reason) == (None, False, "")
    assert settled("yes", covered=COVERED).keeps
    # His copy is another's: refused there, it is refused.
    assert settled("junk", covered=COVERED).reply == UNSAID


def test_who_is_refused_beside_one_that_is_covered_is_told_or_waited_for():
    assert [one.rcpt_to for one in settled(covered=COVERED, refused=[LOOP]).bounced] == [LOOP.rcpt_to]
    found = settled(covered=COVERED, refused=[LOOP, NOBODY], facts=FORGED)
    assert found.reply is not None and found.reply.code == 451


FAR = [("team@ours.example", parse_address("carl@far.example")), ("team@ours.example", parse_address("d@far.example"))]
BAD = replace(FORGED, dmarc="fail", dmarc_policy="reject", dmarc_domain="a.example")


def test_what_goes_elsewhere_is_judged_once_an_address_without_an_account():
    (one,) = judged_outward(message_of(), Expansion(outside=FAR), NOW)
    assert (one.rcpt_to, one.verdict.reason, one.verdict.delay) == ("team@ours.example", "no-bad-signals", False)
    found = settled(outside=FAR)
    assert (found.reply, found.keeps, found.reason) == (None, True, "no-bad-signals")


def test_what_we_would_not_take_is_passed_to_nobody():
    found = settled(facts=BAD, outside=FAR)
    assert (found.reply, found.keeps, found.reason) == (BY_DMARC, False, "dmarc-policy")
    # Here it is put away; there is no place to put it there.
    listed = replace(FORGED, dnsbl=("l.example",))
    message, expansion = message_of(listed), Expansion(outside=FAR)
    taken = judged(message_of(PROVED), "yes")
    found = settled_of(message, taken, judged_outward(message, expansion, NOW), expansion)
    assert (found.reply, found.bounced) == (None, ())
    (outward,) = found.outward
    assert (outward.verdict.action, outward.verdict.reply) == (REJECT, UNSAID)


@pytest.mark.parametrize(("other", "served"), [("yes", True), ("junk", True), ("junk and full", False)])
def test_an_alias_is_served_when_one_of_its_members_is(other: str, served: bool):
    message = message_of(FORGED)
    members = [
        replace(one, destination=replace(one.destination, rcpt_to="team@ours.example"))
        for one in judged(message, "full", other)
    ]
    found = settled_of(message, [*members, *judged(message, "yes")], [], Expansion())
    assert found.reply == (None if served else FULL)


@pytest.mark.parametrize(
    ("said", "facts", "refused", "reason"),
    [
        (["yes", "junk"], PROVED, [], "no-bad-signals"),
        (["junk", "yes"], PROVED, [], "junk-content"),
        (["yes", "full"], FORGED, [], "over-quota"),
        (["verified only", "junk"], FORGED, [], "junk-content"),
        (["yes"], FORGED, [NOBODY], "no-postmaster"),
        ([], FORGED, [LOOP], "alias-loop"),
    ],
)
def test_the_reason_is_that_of_the_reply(said: list[str], facts: MessageFacts, refused: list[Refused], reason: str):
    assert settled(*said, facts=facts, refused=refused).reason == reason


@given(
    st.lists(st.sampled_from(sorted(SAYS)), max_size=4),
    st.lists(st.sampled_from([LOOP, NOBODY]), max_size=2),
    st.booleans(),
    st.sampled_from([PROVED, FORGED, BAD]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_nobody_is_told_twice_and_nobody_is_forgotten(
    said: list[str], refused: list[Refused], covered: bool, facts: MessageFacts, outside: bool
):
    if not (said or refused or covered or outside):
        return
    expansion = {"refused": refused, "covered": COVERED if covered else [], "outside": FAR if outside else []}
    found = settled(*said, facts=facts, **expansion)
    names = [one.rcpt_to for one in found.bounced]
    assert found.reply is None or not names
    assert not names or found.message.sender_passed
    if found.reply is None:
        assert any(one.verdict.mailbox for one in found.judged) or found.outward or covered
        for one in found.judged:
            assert not (one.verdict.mailbox and one.destination.rcpt_to in names)
            # No room: the copy must not be tried, or nobody would have it.
            assert not (one.verdict.mailbox and one.facts.over_quota)
    replies = [one.verdict.reply for one in found.judged if one.verdict.reply is not None]
    if found.reply is not None and found.reply.code >= 500:
        assert all(one.code >= 500 for one in (*replies, *refused)), "who may try again is told so"
    assert isinstance(found.reason, str) and isinstance(found.outward, tuple)
    assert all(isinstance(one, Outward) for one in found.outward)
