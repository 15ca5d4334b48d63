"""The verdict on an arriving message for one recipient: what the account knows is added to what the listener found.

    facts of the message + rulesets, history, junk words, rates, quota of the account -> mail.policy.incoming.decide

First all messages of a batch say what they want to know of the accounts (`ask`); that is read at once, and then each is
judged by it. What follows from the verdict is the caller's to do.
"""

import hmac
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mail.accounts.routing import Route
from mail.junk.classify import Counts, Judgement, Parameters, classify
from mail.junk.words import hashes
from mail.policy import reputation, subject_pass
from mail.policy.account_rules import AccountRules
from mail.policy.facts import Key, MessageFacts, Past, RecipientFacts, Word, addressed
from mail.policy.incoming import decide
from mail.policy.keys import key as number
from mail.policy.rates import MESSAGES_A_MINUTE, Rates
from mail.policy.rulesets import Ruleset, first_match
from mail.policy.verdict import Verdict
from mail.store.experience import Known, Wanted

# Added to the threshold of the junk filter, so that nobody can find it by trying (features B05).
NOISE = 0.05
# Of each kind of word, what the trace and the header tell.
WORDS_TOLD = 5
HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as the listener found it. `fields` are for rulesets; `report`: dmarc or tls if it looks like one.

    `words` None: it was not read for them, as no filter was known to want them.
    """

    facts: MessageFacts
    words: tuple[str, ...] | None
    fields: tuple[tuple[str, str], ...]
    report: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """A recipient as it was given, where it leads, and what its owner wants."""

    rcpt_to: str
    route: Route
    rules: AccountRules
    rulesets: Sequence[Ruleset] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """`keys`: what the message is filed under once it is marked; `facts` are all that decided, for the trace."""

    destination: Destination
    facts: RecipientFacts
    verdict: Verdict
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A destination, the ruleset that matches, where the message is meant to go, and the number of each key that speaks
    of it there.
    """

    destination: Destination
    ruleset: Ruleset | None
    intended: str
    forwarder: str
    keys: dict[Key, int]

    @property
    def account_id(self) -> int:
        return self.destination.route.account_id


@dataclass(frozen=True, slots=True)
class Question:
    """A message and whom it is for. `words`: by their number."""

    arrived: Arrived
    candidates: tuple[Candidate, ...]
    words: dict[int, str]

    def words_lacked_by(self, known: Mapping[int, Known]) -> set[int]:
        """The accounts whose filters would read the words of a message that was not read for them."""
        if self.arrived.words is not None:
            return set()
        return {
            one.account_id
            for one in self.candidates
            if one.destination.rules.junk_filter and any(known[one.account_id].learnt)
        }


def ask(arrived: Arrived, destinations: Sequence[Destination], wanted: Wanted) -> Question:
    """What is to be known before the message can be judged goes into `wanted`."""
    words = dict(zip(hashes(arrived.words), arrived.words, strict=True)) if arrived.words else {}
    candidates = tuple(_candidate(arrived, one) for one in destinations)
    for one in candidates:
        earlier = [number for key, number in one.keys.items() if not _is_sent(key)]
        sent = [number for key, number in one.keys.items() if _is_sent(key)]
        wanted.add(one.account_id, earlier, sent, words if one.destination.rules.junk_filter else ())
    return Question(arrived, candidates, words)


def meant_for(
    route: Route, rulesets: Sequence[Ruleset], facts: MessageFacts, fields: Sequence[tuple[str, str]]
) -> tuple[Ruleset | None, str]:
    """The ruleset that matches, and the mailbox the message is meant to go to."""
    ruleset = first_match(rulesets, facts, fields)
    return ruleset, (ruleset.mailbox if ruleset is not None else "") or route.mailbox


def _candidate(arrived: Arrived, one: Destination) -> Candidate:
    ruleset, intended = meant_for(one.route, one.rulesets, arrived.facts, arrived.fields)
    forwarder = ruleset.verified_domain if ruleset is not None and ruleset.is_forward else ""
    keys = {key: number_of(key, intended) for key in reputation.keys(arrived.facts, forwarder)}
    return Candidate(one, ruleset, intended, forwarder, keys)


class Judge:
    """`pass_key`: of the tokens in subjects. The rates are this process's memory: derived, and lost with it."""

    def __init__(self, pass_key: bytes, messages_a_minute: int = MESSAGES_A_MINUTE) -> None:
        self._pass_key = pass_key
        self._rates = Rates(messages_a_minute)

    def judge(self, question: Question, known: Mapping[int, Known], now_ms: int, *, counted: bool) -> list[Judged]:
        """For each destination; `counted`: this message was judged before and waited, its rates are counted."""
        arrived = question.arrived
        # Copies for several mailboxes of one account must all have room: else none is written.
        taken: Counter[int] = Counter()
        made: list[Judged] = []
        for one in question.candidates:
            account_id, rules = one.account_id, one.destination.rules
            experience = known[account_id]
            usage = experience.usage
            values = _own(arrived, one)
            asked_for = experience.promised + taken[account_id] + arrived.facts.size
            values["over_quota"] = usage is not None and not usage.has_room(asked_for)
            if not counted:
                values["rate_exceeded"] = self._rates.add(account_id, arrived.facts.ip, arrived.facts.size, now_ms)
            values |= self._subject_pass(arrived.facts, one.destination, now_ms)
            history = _history(one, experience, now_ms)
            values |= {"history": history, "org_domain_known": _is_known(history)}
            if rules.junk_filter:
                values |= _scored(experience, question.words, rules.junk_threshold)
            facts = RecipientFacts(**values)
            verdict = decide(arrived.facts, facts, now_ms)
            taken[account_id] += arrived.facts.size if verdict.mailbox else 0
            keys = tuple(one.keys[key] for key in reputation.keys_of_message(arrived.facts, one.forwarder))
            made.append(Judged(one.destination, _told(facts, verdict), verdict, keys))
        return made

    def _subject_pass(self, message: MessageFacts, one: Destination, now_ms: int) -> dict[str, str]:
        if not one.rules.subject_pass_hours or not message.author:
            return {}
        key = hmac.digest(self._pass_key, one.route.canonical.encode(), "sha256")
        period = one.rules.subject_pass_hours * HOUR_SECONDS
        valid = subject_pass.is_valid(key, message.author, message.subject, now_ms, period)
        return {
            "subject_pass": "valid" if valid else "",
            "subject_pass_token": subject_pass.token(key, message.author, now_ms),
        }


def _own(arrived: Arrived, candidate: Candidate) -> dict[str, Any]:
    """What the address, the account's rules and the ruleset say, by the names of RecipientFacts."""
    one, ruleset = candidate.destination, candidate.ruleset
    route, rules = one.route, one.rules
    values: dict[str, Any] = {
        "rcpt_to": one.rcpt_to,
        "canonical": route.canonical,
        "mailbox": route.mailbox,
        "auth_required_text": route.auth_required,
        "report_address": route.kind,
        "report_valid": bool(route.kind) and route.kind == arrived.report and arrived.facts.from_validated,
        "introbox": rules.introbox,
        "rejects_mailbox": rules.rejects_mailbox,
        "no_first_time_delay": not rules.first_time_delay,
        "in_to_or_cc": addressed(one.rcpt_to, arrived.facts.to_and_cc),
        "has_junk_filter": rules.junk_filter,
        "threshold": rules.junk_threshold,
        "noise": random.uniform(-NOISE, NOISE),
    }
    if ruleset is not None:
        values |= {
            "ruleset_id": ruleset.ruleset_id,
            "ruleset_mailbox": ruleset.mailbox,
            "is_forward": ruleset.is_forward,
            "forwarder_domain": candidate.forwarder,
            "list_allow_domain": ruleset.list_allow_domain,
            "accept_rejects_to": ruleset.accept_rejects_to,
        }
    return values


def _history(one: Candidate, experience: Known, now_ms: int) -> dict[Key, tuple[Past, ...]]:
    """What is filed under the message's keys: of earlier messages by mailbox, of whom the owner wrote to by account."""
    found: dict[Key, tuple[Past, ...]] = {}
    for key, numbered in one.keys.items():
        if _is_sent(key):
            if numbered in experience.sent:
                found[key] = (Past(experience.sent[numbered]),)
        elif numbered in experience.earlier:
            longest, most = reputation.LIMITS[key.kind]
            rows = [row for row in experience.earlier[numbered] if row.at >= now_ms - longest][:most]
            found[key] = tuple(Past(row.at, row.junk, str(row.localpart)) for row in rows)
    return found


def _is_sent(key: Key) -> bool:
    return key.kind in ("to", "to-domain", "to-org")


def number_of(key: Key, mailbox: str) -> int:
    """Where the store has it: reputation is a mailbox's, whom the owner wrote to is the account's."""
    return number(key.kind, key.text) if _is_sent(key) else number(key.kind, mailbox, key.text)


def _is_known(history: Mapping[Key, tuple[Past, ...]]) -> bool:
    """Has the account good mail from the author's organization, or written to it."""
    return any(
        key.kind == "to-org" or (key.kind.startswith("org-") and any(not one.junk for one in found))
        for key, found in history.items()
    )


def _scored(experience: Known, words: Mapping[int, str], threshold: float) -> dict[str, Any]:
    """The junk filter's opinion, and the words that speak loudest."""
    if not any(experience.learnt):
        return {"probability": 0.5}
    judgement = classify(words.keys(), experience.words, Counts(*experience.learnt), Parameters(threshold=threshold))
    ham, spam = told_words(judgement, words)
    return {
        "probability": round(judgement.probability, 6),
        "significant": judgement.significant,
        "ham_words": ham,
        "spam_words": spam,
    }


def told_words(judgement: Judgement, words: Mapping[int, str]) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """(good, junk): the few that speak loudest."""
    ham = tuple(Word(words[one.word], round(one.share, 3)) for one in judgement.ham_words[:WORDS_TOLD])
    spam = tuple(Word(words[one.word], round(one.share, 3)) for one in judgement.spam_words[:WORDS_TOLD])
    return ham, spam


# The kinds of key each method of `mail.policy.reputation` goes by.
_DECIDED_BY = {
    "msgfromfull": ("from-",),
    "msgtofull": ("to",),
    "msgfromdomain": ("domain-",),
    "msgtodomain": ("to-domain",),
    "msgfromorgdomain": ("org-",),
    "msgtoorgdomain": ("to-org",),
    "dkimspf": ("dkim", "spf-"),
    "ip1": ("ip1",),
    "ip2": ("ip2",),
    "ip3": ("ip3",),
}


def _told(facts: RecipientFacts, verdict: Verdict) -> RecipientFacts:
    """The facts as the trace keeps them: of the history only what the reputation went by, which decides the same."""
    if not facts.history:
        return facts
    kinds = _DECIDED_BY.get(verdict.method, ())
    return replace(facts, history={key: past for key, past in facts.history.items() if key.kind.startswith(kinds)})
