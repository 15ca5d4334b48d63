"""Whether to take a message from a stranger, for one recipient. The order of RULES is the policy.

1. Facts are gathered in the listener and in the store (slow, may fail); this file only weighs them, so any decision
   can be replayed from what the trace keeps, with other parameters too.
2. The first rule that has an opinion decides. A refusal because of junk is temporary and says nothing: a true sender
   tries again, and by then the owner may have rescued the first one from Rejects.
3. Features B05 has the pipeline, features-1 §9 and §16 what is stricter and what a ruleset may change.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mail.errors import OverQuota
from mail.policy import evaluation
from mail.policy.case import STRICT_CAUSES, Case, case_of
from mail.policy.facts import INBOX, MessageFacts, RecipientFacts
from mail.policy.reputation import HAM, JUNK
from mail.policy.verdict import ACCEPT, REJECT, REJECTS_TO_MAILBOX, Opinion, Verdict
from mail.smtp.replies import Reply, reply_for

UNSAID = Reply(451, "4.3.0", "error processing")
TOO_MANY = Reply(452, "4.2.2", "too many messages for this account from your network, try again later")
BAD_AUTHOR = Reply(550, "5.7.1", "Message must have exactly one valid From header")
BY_DMARC = Reply(550, "5.7.26", "rejecting per dmarc policy")

# How far below the threshold content is only moderately bad, so that its sender is told of the subject pass.
MODERATE = 0.2


def high_rate(case: Case) -> Opinion | None:
    if not case.recipient.rate_exceeded:
        return None
    return Opinion("high-rate", case.recipient.rate_exceeded, TOO_MANY, convertible=False, kept=False)


def list_allow(case: Case) -> Opinion | None:
    domain = case.recipient.list_allow_domain
    if not domain or domain not in case.message.verified_domains:
        return None
    return Opinion("list-allow", f"a ruleset takes all that the mailing lists of {domain} send")


def author(case: Case) -> Opinion | None:
    """Security MC-10: what has no single trustworthy author counts as failing DMARC's policy, if that is asked."""
    message = case.message
    if case.recipient.is_forward or message.dmarc != "permerror":
        return None
    return Opinion("author-defect", message.author_defect or "there is no single author in From", BAD_AUTHOR)


def dmarc(case: Case) -> Opinion | None:
    """A forwarder breaks what DMARC checks, so its failing says nothing about forwarded mail."""
    message = case.message
    if case.recipient.is_forward or not evaluation.asks_for_refusal(message):
        return None
    sentence = f"DMARC fails, and {message.dmarc_domain or message.from_domain} asks for {message.dmarc_policy}"
    return Opinion("dmarc-policy", sentence, BY_DMARC)


def verified_author(case: Case) -> Opinion | None:
    text, message = case.recipient.auth_required_text, case.message
    if not text or message.from_validated:
        return None
    results = (message.dmarc, message.spf, *(one.result for one in message.dkim))
    temporary = "temperror" in results
    reply = Reply(451, "4.7.26", text) if temporary else Reply(550, "5.7.26", text)
    sentence = "this address takes only mail whose author is verified, and this one is not"
    return Opinion("msg-auth-required", sentence, reply, convertible=False)


def history_unread(case: Case) -> Opinion | None:
    if case.recipient.history is not None:
        return None
    return Opinion("reputation-error", "the history of the mailbox could not be read", UNSAID)


def known_sender(case: Case) -> Opinion | None:
    known = case.reputation
    if not known.conclusive:
        return None
    return Opinion(known.method, known.explanation, None if known.verdict == HAM else UNSAID)


def report(case: Case) -> Opinion | None:
    if not case.recipient.report_address or not case.recipient.report_valid:
        return None
    return Opinion("reporting", f"a valid {case.recipient.report_address} report for the address of such reports")


def spf(case: Case) -> Opinion | None:
    if not case.reputation.is_weak or case.message.spf not in ("fail", "softfail"):
        return None
    sentence = f"SPF {case.message.spf} for {case.message.spf_domain}, and nothing is known about the author"
    return Opinion("spf-policy", sentence, UNSAID)


def iprev(case: Case) -> Opinion | None:
    if not case.suspicious or case.reputation.verdict != JUNK:
        return None
    return Opinion("iprev", f"a bad sign, and {STRICT_CAUSES['iprev']}", UNSAID)


def subject_pass(case: Case) -> Opinion | None:
    if case.recipient.subject_pass == "error":
        return Opinion("subjectpass-error", "the token in the subject could not be checked", UNSAID)
    if case.recipient.subject_pass == "valid":
        return Opinion("subjectpass", "the subject has a valid token")
    return None


def junk_filter(case: Case) -> Opinion | None:
    recipient = case.recipient
    if not recipient.has_junk_filter:
        return None
    if recipient.junk_filter_broken:
        return Opinion("junk-filter-error", "the junk filter could not be opened", UNSAID)
    score = recipient.probability
    if score is None:
        return Opinion("junk-classify-error", "the content could not be classified", UNSAID)
    if score <= case.threshold or (not recipient.significant and not case.suspicious):
        return None
    moderate = score < case.base_threshold - MODERATE
    return _refused(case, "junk-content-strict" if case.strict else "junk-content", "the content is junk", moderate)


def blocklists(case: Case) -> Opinion | None:
    zones = case.message.dnsbl
    if not zones:
        return None
    return _refused(case, "dns-blocklisted", f"the client is listed by {', '.join(zones)}", True)


def _refused(case: Case, reason: str, sentence: str, moderate: bool) -> Opinion:
    """Refused for junk; whom we know nothing about but the name, and that is proved, may be told of the way in."""
    token = case.recipient.subject_pass_token
    if token and moderate and case.message.dmarc == "pass" and case.reputation.method == "none":
        text = f"your message looks like junk; to have it accepted, send it again with {token} in the subject"
        return Opinion("give-subjectpass", f"{sentence}, but the sender may be true", Reply(550, "5.7.1", text))
    return Opinion(reason, sentence, UNSAID)


def no_bad_signals(_case: Case) -> Opinion:
    return Opinion("no-bad-signals", "nothing speaks against it")


Rule = Callable[[Case], Opinion | None]

BEFORE_REPUTATION: tuple[Rule, ...] = (*(high_rate, list_allow, author, dmarc, verified_author, history_unread),)
BY_REPUTATION: tuple[Rule, ...] = (known_sender, report, spf, iprev, subject_pass)
BY_CONTENT: tuple[Rule, ...] = (junk_filter, blocklists, no_bad_signals)

RULES = BEFORE_REPUTATION + BY_REPUTATION + BY_CONTENT


def decide(message: MessageFacts, recipient: RecipientFacts, now_ms: int) -> Verdict:
    """The verdict for one recipient. Total: any facts have one, and the same facts the same one."""
    case = case_of(message, recipient, now_ms)
    place, opinion = next((place, said) for place, rule in enumerate(RULES) if (said := rule(case)))
    converted = opinion.reply is not None and opinion.convertible and bool(recipient.accept_rejects_to)
    if recipient.over_quota and (opinion.reply is None or converted):
        # Whatever the rules say, there is no room.
        full = reply_for(OverQuota())
        opinion, converted = Opinion("over-quota", "the account is full", full, kept=False), False
    return _verdict(case, opinion, converted, _considered(case, place, opinion), place)


def replay(message: MessageFacts, recipient: RecipientFacts, now_ms: int, **changed: Any) -> Verdict:
    """What would have been decided if these facts of the recipient had been others: `threshold=0.8`."""
    return decide(message, replace(recipient, **changed), now_ms)


def _verdict(case: Case, opinion: Opinion, converted: bool, considered: tuple[str, ...], place: int) -> Verdict:
    message, recipient = case.message, case.recipient
    accepted = opinion.reply is None
    refused = not accepted and not converted
    is_list = opinion.reason == "list-allow"
    first_time = opinion.reason == "no-bad-signals" and not recipient.is_forward
    if converted:
        considered = (*considered, f"taken into {recipient.accept_rejects_to} because a ruleset says so")
    stored = evaluation.disposition(message, opinion.reason, accepted=accepted, refused=refused)
    return Verdict(
        action=ACCEPT if accepted else REJECT if refused else REJECTS_TO_MAILBOX,
        reason=opinion.reason,
        sentence=opinion.sentence,
        considered=considered,
        reply=opinion.reply if refused else None,
        mailbox=_accepting_mailbox(case, is_list) if accepted else recipient.accept_rejects_to if converted else "",
        intended=case.intended,
        rejects_mailbox=recipient.rejects_mailbox if refused and opinion.kept and not recipient.over_quota else "",
        delay=first_time and not recipient.no_first_time_delay,
        is_mailing_list=is_list,
        is_forward=recipient.is_forward,
        method=case.reputation.method,
        strict=case.strict if _weighs_content(case, place) else "",
        threshold=case.threshold if _weighs_content(case, place) else None,
        overrides=()
        if refused
        else evaluation.overrides(message, is_mailing_list=is_list, is_forward=recipient.is_forward),
        evaluation=stored,
        evaluation_optional=bool(stored) and evaluation.is_optional(recipient, opinion.reason),
    )


def _accepting_mailbox(case: Case, is_list: bool) -> str:
    """The intended one, or the Introbox for whom the owner has no experience with."""
    known = is_list or case.reputation.method in ("msgfromfull", "msgtofull")
    if case.recipient.introbox and not known and case.intended.casefold() == INBOX.casefold():
        return case.recipient.introbox
    return case.intended


def _weighs_content(case: Case, place: int) -> bool:
    recipient = case.recipient
    can = recipient.has_junk_filter and not recipient.junk_filter_broken and recipient.probability is not None
    return can and place >= len(BEFORE_REPUTATION + BY_REPUTATION)


def _considered(case: Case, place: int, opinion: Opinion) -> tuple[str, ...]:
    """What the rules looked at on the way, for people."""
    said: list[str] = []
    known = case.reputation
    if place >= len(BEFORE_REPUTATION):
        weight = "conclusive" if known.conclusive else "inconclusive"
        words = known.explanation if known.explanation != opinion.sentence else "as said"
        said.append(f"reputation by {known.method}: {weight} {known.verdict or 'nothing'}, {words}")
    if _weighs_content(case, place):
        said.append(f"content score {case.recipient.probability:.2f}, threshold {case.threshold:.2f}")
        if case.strict:
            said.append(f"strict because {STRICT_CAUSES[case.strict]}")
        if not case.recipient.significant:
            said.append("the filter has learnt too little to be believed")
    return tuple(said)
