"""The verdict on an arriving message for one recipient: what the account knows is added to what the listener found.

    facts of the message + rulesets, history, junk words, rates, quota of the account -> mail.policy.incoming.decide

Everything is read in one transaction and a handful of statements, each by an index and bounded, however much mail the
account has. What follows from the verdict is the caller's to do.
"""

import hmac
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

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
from mail.store import history as past
from mail.store import junk_words
from mail.store.usage import usages

# Added to the threshold of the junk filter, so that nobody can find it by trying (features B05).
NOISE = 0.05
# Of each kind of word, what the trace and the header tell.
WORDS_TOLD = 5
HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as the listener found it. `fields` are for rulesets; `report`: dmarc or tls if it looks like one."""

    facts: MessageFacts
    words: tuple[str, ...]
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


class Judge:
    """`pass_key`: of the tokens in subjects. The rates are this process's memory: derived, and lost with it."""

    def __init__(self, pass_key: bytes, messages_a_minute: int = MESSAGES_A_MINUTE) -> None:
        self._pass_key = pass_key
        self._rates = Rates(messages_a_minute)

    def judge(
        self,
        connection: Connection,
        arrived: Arrived,
        destinations: Sequence[Destination],
        now_ms: int,
        *,
        counted: bool,
    ) -> list[Judged]:
        """For each destination; `counted`: this message was judged before and waited, its rates are counted."""
        words = dict(zip(hashes(arrived.words), arrived.words, strict=True))
        held = usages(connection, {one.route.account_id for one in destinations})
        # Copies for several mailboxes of one account must all have room: else none is written.
        taken: Counter[int] = Counter()
        made: list[Judged] = []
        for one in destinations:
            account_id = one.route.account_id
            usage = held.get(account_id)
            values = _own(arrived, one, first_match(one.rulesets, arrived.facts, arrived.fields))
            values["over_quota"] = usage is not None and not usage.has_room(taken[account_id] + arrived.facts.size)
            if not counted:
                values["rate_exceeded"] = self._rates.add(account_id, arrived.facts.ip, arrived.facts.size, now_ms)
            values |= self._subject_pass(arrived.facts, one, now_ms)
            intended = values.get("ruleset_mailbox") or values["mailbox"]
            forwarder = values.get("forwarder_domain", "")
            history = _history(connection, account_id, intended, arrived.facts, forwarder, now_ms)
            values |= {"history": history, "org_domain_known": _is_known(history)}
            if one.rules.junk_filter:
                values |= _scored(connection, account_id, words, one.rules.junk_threshold)
            facts = RecipientFacts(**values)
            verdict = decide(arrived.facts, facts, now_ms)
            taken[account_id] += arrived.facts.size if verdict.mailbox else 0
            keys = tuple(number_of(key, intended) for key in reputation.keys_of_message(arrived.facts, forwarder))
            made.append(Judged(one, _told(facts, verdict), verdict, keys))
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


def _own(arrived: Arrived, one: Destination, ruleset: Ruleset | None) -> dict[str, Any]:
    """What the address, the account's rules and the ruleset say, by the names of RecipientFacts."""
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
            "forwarder_domain": ruleset.verified_domain if ruleset.is_forward else "",
            "list_allow_domain": ruleset.list_allow_domain,
            "accept_rejects_to": ruleset.accept_rejects_to,
        }
    return values


def _history(
    connection: Connection, account_id: int, mailbox: str, message: MessageFacts, forwarder: str, now_ms: int
) -> dict[Key, tuple[Past, ...]]:
    """What is filed under the message's keys: of earlier messages by mailbox, of whom the owner wrote to by account."""
    wanted = reputation.keys(message, forwarder)
    numbers = {one: number_of(one, mailbox) for one in wanted}
    earlier = past.load_history(connection, account_id, [n for one, n in numbers.items() if not _is_sent(one)])
    sent = past.load_sent(connection, account_id, [n for one, n in numbers.items() if _is_sent(one)])
    found: dict[Key, tuple[Past, ...]] = {}
    for one, numbered in numbers.items():
        if _is_sent(one):
            if numbered in sent:
                found[one] = (Past(sent[numbered]),)
        elif numbered in earlier:
            longest, most = reputation.LIMITS[one.kind]
            rows = [row for row in earlier[numbered] if row.at >= now_ms - longest][:most]
            found[one] = tuple(Past(row.at, row.junk, str(row.localpart)) for row in rows)
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


def _scored(connection: Connection, account_id: int, words: Mapping[int, str], threshold: float) -> dict[str, Any]:
    """The junk filter's opinion, and the words that speak loudest."""
    totals = junk_words.totals(connection, account_id)
    if not totals.hams and not totals.spams:
        return {"probability": 0.5}
    known = junk_words.counts(connection, account_id, list(words))
    judgement = classify(list(words), known, Counts(*totals), Parameters(threshold=threshold))
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
    history = facts.history or {}
    kinds = _DECIDED_BY.get(verdict.method, ())
    return replace(
        facts, history={key: found for key, found in history.items() if key.kind.startswith(kinds)} if kinds else {}
    )
