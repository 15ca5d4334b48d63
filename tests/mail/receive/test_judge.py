"""The verdict for one recipient, from what the store of his account really holds."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from mail.accounts.routing import Route
from mail.junk.words import hashes
from mail.now import SetClock
from mail.policy.account_rules import AccountRules
from mail.policy.facts import Key, MessageFacts, RecipientFacts, Signature
from mail.policy.incoming import TOO_MANY, UNSAID, decide, replay
from mail.policy.keys import key as number
from mail.policy.rates import MIB
from mail.policy.reputation import LIMITS, YEAR_MS, folded
from mail.policy.rulesets import Ruleset
from mail.policy.verdict import REJECTS_TO_MAILBOX
from mail.receive.judge import (
    _DECIDED_BY,
    NOISE,
    WORDS_TOLD,
    Arrived,
    Destination,
    Judge,
    Judged,
    _told,
    ask,
    number_of,
)
from mail.store import accounts, history
from mail.store.changes import changing
from mail.store.classes import HAM, NONE, SPAM
from mail.store.engine import Store
from mail.store.experience import Wanted
from mail.store.history import Filing, pack_keys
from mail.store.junk_words import Counted
from tests.mail.policy.drawn import messages, recipients
from tests.mail.store.test_changes import World

KEY = b"k" * 32
DAY_MS = 86_400_000
PROVED = MessageFacts(
    ip="192.0.2.1",
    ehlo_name="out.a.example",
    tls=True,
    iprev="pass",
    spf="pass",
    spf_domain="mail.a.example",
    mail_from="bounce@mail.a.example",
    dkim=(Signature("pass", "a.example"),),
    dmarc="pass",
    dmarc_domain="a.example",
    author="Zoe@mail.a.example",
    from_domain="mail.a.example",
    org_domain="a.example",
    from_validated=True,
    to_and_cc=("ann@ours.example",),
    size=1000,
)
# The same words in From, and nothing to prove them.
FORGED = replace(
    PROVED, ip="203.0.113.9", spf="none", spf_domain="", mail_from="", dkim=(), dmarc="none", from_validated=False
)
OTHER = replace(PROVED, author="y@other.example", from_domain="other.example", org_domain="other.example")
UNKNOWN = replace(OTHER, spf="none", dkim=(), dmarc="none", from_validated=False)


class Owner:
    """An account, what its owner says of messages, and a judge."""

    def __init__(self, store: Store, clock: SetClock) -> None:
        self.store, self.now = store, clock.wall_ms()
        self.world = World(store, clock)
        self.account = self.world.account
        self.judge = Judge(KEY, 20)
        self._filed = 0

    def to(self, name: str = "ann", *rulesets: Ruleset, mailbox: str = "Inbox", **rules: Any) -> Destination:
        address = f"{name}@ours.example"
        route = Route(self.account, "ann", mailbox, address, canonical=address)
        return Destination(address, route, AccountRules(**rules), rulesets)

    def all(self, facts: MessageFacts, *destinations: Destination, counted: bool = False, **more: Any) -> list[Judged]:
        arrived = Arrived(facts, **{"words": (), "fields": (), **more})
        wanted = Wanted()
        question = ask(arrived, destinations or (self.to(),), wanted)
        with self.store.read() as connection:
            return self.judge.judge(question, wanted.load(connection), self.now, counted=counted)

    def one(self, facts: MessageFacts, destination: Destination | None = None, **more: Any) -> Judged:
        (judged,) = self.all(facts, *([destination] if destination else []), **more)
        return judged

    def mark(self, facts: MessageFacts, *, junk: bool, days: float = 1, times: int = 1, **more: Any) -> None:
        """A message like this came so many days ago, and the owner said what it is."""
        judged = self.one(facts, **more)
        local = number("localpart", folded(facts.author).rpartition("@")[0])
        filings: list[Filing] = []
        for _ in range(times):
            self._filed += 1
            at = self.now - int(days * DAY_MS) + self._filed
            blob_id = f"{self._filed:016x}{0:016x}"
            filings.append(Filing(blob_id, at, pack_keys(judged.keys), local, NONE, SPAM if junk else HAM))
        with self.store.write() as tx:
            history.file(tx, self.account, filings)

    def wrote_to(self, kind: str, text: str, days: float = 1) -> None:
        with self.store.write() as tx:
            history.add_sent(tx, self.account, {number(kind, text): self.now - int(days * DAY_MS)})

    def learn(self, ham: Iterable[str], spam: Iterable[str], times: int) -> None:
        counted = Counted()
        for _ in range(times):
            counted.move(hashes(ham), NONE, HAM)
            counted.move(hashes(spam), NONE, SPAM)
        with self.store.write() as tx:
            counted.write(tx, self.account)


@pytest.fixture
def owner(store: Store, clock: SetClock) -> Owner:
    return Owner(store, clock)


def told(judged: Judged) -> tuple[str, str]:
    return judged.verdict.reason, judged.verdict.action


def test_a_stranger_is_taken_after_the_delay(owner: Owner):
    verdict = owner.one(PROVED).verdict
    assert (verdict.reason, verdict.mailbox, verdict.delay, verdict.method) == ("no-bad-signals", "Inbox", True, "none")
    assert not owner.one(PROVED, owner.to(first_time_delay=False)).verdict.delay


# What the owner said of one message, and what is thought of another: (marked, times, junk, comes, reason, action).
BY_HISTORY = [
    ("msgfromfull", PROVED, 1, False, PROVED, "accept"),
    ("msgfromfull", PROVED, 2, True, PROVED, "reject"),
    ("msgfromfull", PROVED, 2, True, FORGED, "reject"),
    ("msgfromdomain", PROVED, 1, False, replace(PROVED, author="x@mail.a.example"), "accept"),
    (
        "msgfromorgdomain",
        PROVED,
        1,
        False,
        replace(PROVED, author="x@b.a.example", from_domain="b.a.example"),
        "accept",
    ),
    ("dkimspf", PROVED, 1, False, OTHER, "accept"),
    ("dkimspf", PROVED, 2, True, OTHER, "reject"),
    ("dkimspf", replace(PROVED, dkim=()), 2, True, OTHER, "reject"),
    ("ip1", FORGED, 2, True, replace(UNKNOWN, ip=FORGED.ip), "reject"),
    ("ip1", UNKNOWN, 2, False, replace(UNKNOWN, author="", from_domain="", org_domain=""), "accept"),
    ("ip2", FORGED, 5, True, replace(UNKNOWN, ip="203.0.113.40"), "reject"),
    ("ip3", FORGED, 10, True, replace(UNKNOWN, ip="203.0.114.40"), "reject"),
]


@pytest.mark.parametrize(("method", "marked", "times", "junk", "comes", "action"), BY_HISTORY)
def test_every_method_of_reputation_finds_what_the_store_has(
    owner: Owner, method: str, marked: MessageFacts, times: int, junk: bool, comes: MessageFacts, action: str
):
    owner.mark(marked, junk=junk, times=times)
    judged = owner.one(comes)
    assert (judged.verdict.method, *told(judged)) == (method, method, action)
    assert judged.facts.history, "what decided is told"
    kinds = {key.kind for key in judged.facts.history}
    assert all(kind.startswith(_DECIDED_BY[method]) for kind in kinds)
    if judged.verdict.reply is not None:
        assert judged.verdict.reply == UNSAID and judged.verdict.rejects_mailbox == "Rejects"


@pytest.mark.parametrize(
    ("method", "kind", "text", "longest"),
    [
        ("msgtofull", "to", "zoe@mail.a.example", 3 * YEAR_MS),
        ("msgtodomain", "to-domain", "mail.a.example", 2 * YEAR_MS),
        ("msgtoorgdomain", "to-org", "a.example", 2 * YEAR_MS),
    ],
)
def test_whom_the_owner_wrote_to_is_welcome_for_years(owner: Owner, method: str, kind: str, text: str, longest: int):
    owner.wrote_to(kind, text, days=longest / DAY_MS + 1)
    assert owner.one(FORGED).verdict.method == "none"
    owner.wrote_to(kind, text, days=longest / DAY_MS - 1)
    judged = owner.one(FORGED)
    assert told(judged) == (method, "accept") and not judged.verdict.delay
    # Whatever the mailbox: it is the account that wrote.
    assert owner.one(FORGED, owner.to(mailbox="Lists")).verdict.method == method
    assert judged.facts.org_domain_known == (kind == "to-org")


def test_every_method_there_is_has_its_kinds_of_key():
    assert set(_DECIDED_BY) >= {method for method, *_ in BY_HISTORY} | {"msgtofull", "msgtodomain", "msgtoorgdomain"}
    for kind in LIMITS:
        assert any(kind.startswith(kinds) for kinds in _DECIDED_BY.values()), kind


def test_what_is_older_than_it_counts_is_forgotten(owner: Owner):
    owner.mark(FORGED, junk=True, times=10, days=92)
    comes = replace(UNKNOWN, ip=FORGED.ip)
    assert owner.one(comes).verdict.method == "none"
    owner.mark(FORGED, junk=True, times=10, days=90)
    assert owner.one(comes).verdict.method == "ip1"


def test_history_is_a_mailboxs_own_and_an_accounts_own(owner: Owner, clock: SetClock):
    owner.mark(PROVED, junk=True, times=2)
    assert owner.one(PROVED, owner.to(mailbox="Lists")).verdict.method == "none"
    ruleset = Ruleset(ruleset_id=1, msg_from="^zoe@", mailbox="Lists")
    assert owner.one(PROVED, owner.to("ann", ruleset)).verdict.method == "none"
    owner.mark(PROVED, junk=False, destination=owner.to("ann", ruleset))
    assert told(owner.one(PROVED, owner.to("ann", ruleset))) == ("msgfromfull", "accept")
    assert told(owner.one(PROVED)) == ("msgfromfull", "reject")
    with changing(owner.store, None, clock=clock) as changes:
        other = accounts.add_account(changes, "bob")
    route = replace(owner.to().route, account_id=other)
    assert owner.one(PROVED, replace(owner.to(), route=route)).verdict.method == "none"


def test_the_newest_decide_and_one_slip_condemns_nobody(owner: Owner):
    owner.mark(PROVED, junk=False, days=9, times=2)
    owner.mark(PROVED, junk=True, days=2)
    assert owner.one(PROVED).verdict.action == "accept"
    owner.mark(PROVED, junk=True, days=1)
    assert owner.one(PROVED).verdict.action == "reject"


def test_an_introbox_is_for_whom_the_owner_does_not_know(owner: Owner):
    to = owner.to(introbox="Strangers")
    first = owner.one(PROVED, to)
    assert (first.verdict.mailbox, first.verdict.intended) == ("Strangers", "Inbox")
    owner.mark(PROVED, junk=False, destination=to)
    assert owner.one(PROVED, to).verdict.mailbox == "Inbox"


def test_what_a_forwarder_passes_on_is_not_filed_under_his_names(owner: Owner):
    ruleset = Ruleset(
        ruleset_id=7, smtp_mail_from="bounce@", verified_domain="a.example", mailbox="Inbox", is_forward=True
    )
    to = owner.to("ann", ruleset)
    facts = replace(OTHER, dmarc="fail", dmarc_policy="reject", from_validated=False)
    judged = owner.one(facts, to)
    assert told(judged) == ("no-bad-signals", "accept") and not judged.verdict.delay
    assert (judged.facts.ruleset_id, judged.facts.forwarder) == (7, "a.example")
    assert set(judged.keys) == {
        number_of(Key(f"{kind}-unvalidated", name), "Inbox")
        for kind, name in [("from", "y@other.example"), ("domain", "other.example"), ("org", "other.example")]
    }
    owner.mark(facts, junk=True, times=10, destination=to)
    assert owner.one(replace(PROVED, spf="none", dkim=())).verdict.method == "none"


def test_a_ruleset_sees_fields_and_takes_what_is_refused(owner: Owner):
    ruleset = Ruleset(ruleset_id=3, headers=(("^x-tag$", "blue"),), mailbox="Blue", accept_rejects_to="Suspicious")
    to = owner.to("ann", ruleset)
    assert owner.one(PROVED, to, fields=(("x-tag", "red"),)).verdict.mailbox == "Inbox"
    assert owner.one(PROVED, to, fields=(("X-Tag", "Blue"),)).verdict.mailbox == "Blue"
    owner.mark(PROVED, junk=True, times=2, destination=to, fields=(("x-tag", "blue"),))
    judged = owner.one(PROVED, to, fields=(("x-tag", "blue"),))
    assert (judged.verdict.action, judged.verdict.mailbox) == (REJECTS_TO_MAILBOX, "Suspicious")
    assert judged.verdict.reply is None and judged.verdict.intended == "Blue"
    to = owner.to("ann", Ruleset(ruleset_id=4, msg_from="zoe", list_allow_domain="a.example", mailbox="List"))
    verdict = owner.one(PROVED, to).verdict
    assert (verdict.reason, verdict.mailbox, verdict.is_mailing_list) == ("list-allow", "List", True)


def test_rates_are_of_an_account_and_count_once(owner: Owner):
    for _ in range(20):
        assert owner.one(PROVED).verdict.action == "accept"
    judged = owner.one(PROVED)
    assert judged.verdict.reply == TOO_MANY and judged.verdict.rejects_mailbox == ""
    assert "more than 20 messages a minute from 192.0.2.1" in judged.facts.rate_exceeded
    # It was judged before, and waited.
    assert owner.one(PROVED, counted=True).verdict.action == "accept"
    assert owner.one(replace(PROVED, ip="198.51.100.1")).verdict.action == "accept"
    owner.now += 120_000
    for _ in range(5):
        owner.one(PROVED, counted=True)
    assert [owner.one(PROVED).verdict.action for _ in range(21)] == ["accept"] * 20 + ["reject"]


def test_large_mail_is_counted_by_its_octets(owner: Owner):
    large = replace(PROVED, size=30 * MIB)
    assert [owner.one(large).verdict.action for _ in range(2)] == ["accept", "reject"]


def set_quota(owner: Owner, quota: int) -> None:
    with changing(owner.store, None, clock=owner.world.clock) as changes:
        accounts.change_account(changes.tx, owner.account, quota=quota)


@pytest.mark.parametrize(("quota", "reason"), [(999, "over-quota"), (1000, "no-bad-signals"), (0, "no-bad-signals")])
def test_a_message_that_does_not_fit_is_put_off(owner: Owner, quota: int, reason: str):
    set_quota(owner, quota)
    verdict = owner.one(PROVED).verdict
    assert verdict.reason == reason
    assert (verdict.reply.code if verdict.reply else None) == (452 if reason == "over-quota" else None)


def test_all_copies_of_an_account_have_room_or_the_last_have_none(owner: Owner):
    set_quota(owner, 2500)
    found = owner.all(PROVED, *(owner.to(mailbox=name) for name in ("Inbox", "Lists", "Work")))
    assert [one.verdict.reason for one in found] == ["no-bad-signals", "no-bad-signals", "over-quota"]


GOOD = tuple(f"good{number}" for number in range(12))
BAD = tuple(f"bad{number}" for number in range(12))


def test_words_are_counted_and_the_loudest_are_told(owner: Owner):
    assert owner.one(PROVED, words=BAD).facts.probability == 0.5, "nothing is learnt yet"
    owner.learn(GOOD, BAD, 49)
    judged = owner.one(PROVED, words=BAD)
    assert (judged.facts.significant, judged.verdict.action) == (False, "accept")
    owner.learn(GOOD, BAD, 11)
    judged = owner.one(PROVED, words=BAD)
    assert told(judged) == ("junk-content", "reject")
    assert judged.facts.probability is not None and judged.facts.probability > 0.99
    assert len(judged.facts.spam_words) == WORDS_TOLD and {one.word for one in judged.facts.spam_words} < set(BAD)
    assert judged.facts.ham_words == () and abs(judged.facts.noise) <= NOISE
    judged = owner.one(PROVED, words=GOOD)
    assert told(judged) == ("no-bad-signals", "accept") and len(judged.facts.ham_words) == WORDS_TOLD
    # Half and half is taken, unless something is odd about the delivery.
    mixed = (*GOOD[:6], *BAD[:6])
    assert owner.one(PROVED, words=mixed).verdict.action == "accept"
    for odd in (replace(PROVED, tls=False), replace(PROVED, to_and_cc=("else@ours.example",))):
        assert told(owner.one(odd, owner.to(subject_pass_hours=0), words=mixed)) == ("junk-content-strict", "reject")
        assert owner.one(odd, words=GOOD).verdict.action == "accept"
    assert owner.one(PROVED, owner.to(junk_filter=False), words=BAD).verdict.action == "accept"
    # Whom the owner knows, he knows.
    owner.mark(PROVED, junk=False)
    assert told(owner.one(replace(PROVED, tls=False), words=BAD)) == ("msgfromfull", "accept")


def test_who_is_told_a_word_gets_in_with_it(owner: Owner):
    listed = replace(PROVED, dnsbl=("l.example",))
    refused = owner.one(listed)
    token = refused.facts.subject_pass_token
    assert refused.verdict.reason == "give-subjectpass" and refused.verdict.reply is not None
    assert refused.verdict.reply.code == 550 and token in refused.verdict.reply.text
    again = replace(listed, subject=f"Re: hello {token}")
    assert told(owner.one(again)) == ("subjectpass", "accept")
    for wrong in (replace(again, author="eve@mail.a.example"), replace(again, subject=token[:-2] + "x)")):
        assert owner.one(wrong).verdict.action == "reject"
    # It is for one recipient.
    assert owner.one(again, owner.to("bob")).verdict.action == "reject"
    assert owner.one(again, owner.to(subject_pass_hours=0)).verdict.reason == "dns-blocklisted"
    owner.now += 13 * 3_600_000
    assert owner.one(again).verdict.action == "reject"


def test_reports_are_for_their_address_when_they_are_proved(owner: Owner):
    to = owner.to()
    to = replace(to, route=replace(to.route, kind="dmarc"))
    owner.mark(replace(FORGED, ip=PROVED.ip), junk=True)
    facts = replace(PROVED, dnsbl=("l.example",))
    assert owner.one(facts, to, report="dmarc").verdict.reason == "reporting"
    for report, wanted in (("tls", facts), ("", facts), ("dmarc", replace(facts, from_validated=False))):
        assert owner.one(wanted, to, report=report).verdict.action == "reject"


def test_however_many_recipients_each_has_his_own_verdict(owner: Owner, clock: SetClock):
    to_lists = owner.to("lists", mailbox="Lists")
    owner.mark(PROVED, junk=True, times=2)
    found = owner.all(PROVED, owner.to(), to_lists, owner.to("b", rejects_mailbox=""))
    assert [one.verdict.action for one in found] == ["reject", "accept", "reject"]
    assert [one.verdict.rejects_mailbox for one in found] == ["Rejects", "", ""]
    assert found[0].keys != found[1].keys


def test_a_batch_is_judged_by_a_handful_of_statements(owner: Owner):
    owner.learn(GOOD, BAD, 2)
    owner.mark(PROVED, junk=False)
    said: list[str] = []
    wanted = Wanted()
    with owner.store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: said.append(told[2]))
        for _ in range(10):
            ask(Arrived(PROVED, GOOD, ()), [owner.to()], wanted)
        wanted.load(connection)
    assert len(said) == 4


@given(messages(), recipients(), st.integers(0, 2_000_000_000_000))
@settings(max_examples=300, deadline=None)
def test_what_is_told_decides_the_same(message: MessageFacts, recipient: RecipientFacts, now: int):
    if recipient.history is None:
        recipient = replace(recipient, history={})
    verdict = decide(message, recipient, now)
    kept = _told(recipient, verdict)
    assert replay(message, kept, now) == verdict
    read = RecipientFacts.from_json(kept.as_json())
    assert replay(MessageFacts.from_json(message.as_json()), read, now) == verdict
