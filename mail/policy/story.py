"""What happened to a message and why, in words for people: one record of the trace as a sentence and as facts.

1. The sentence answers "did it arrive, and why not": what became of it, for whom, when, from whom, because of what.
2. The facts below it are those that were weighed, whether or not they decided.
3. A record may be of another version or hold anything a stranger sent: what cannot be read is left out, and nothing is
   shown that moves or hides other text (security IN-5, MC-8).
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from mail.errors import Invalid
from mail.message.display import shown
from mail.policy.case import STRICT_CAUSES, case_of
from mail.policy.evaluation import overrides
from mail.policy.facts import MessageFacts, RecipientFacts, Word
from mail.policy.incoming import decide
from mail.policy.verdict import ACCEPT, REJECTS_TO_MAILBOX

# How a moment is written: whole milliseconds since 1970 UTC.
When = Callable[[int], str]

LABEL_WIDTH = 11


class Record(Protocol):
    """What is read of a row of the trace (`mail.store.traces.TraceRow`)."""

    @property
    def at(self) -> int: ...
    @property
    def cid(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def queue_recipient_id(self) -> int | None: ...
    @property
    def mail_from(self) -> str: ...
    @property
    def rcpt_to(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> dict[str, Any]: ...


def story(record: Record, when: When) -> list[str]:
    """The sentence, then a line for each fact."""
    return [sentence(record, when), *(f"  {label:{LABEL_WIDTH}}  {words}" for label, words in facts(record))]


def sentence(record: Record, when: When) -> str:
    """What became of the message for this recipient, and why."""
    if record.direction == "out":
        made = _sent(record, when)
    elif record.direction == "local":
        made = f"A notification of ours was put into {_mailbox(record)} on {when(record.at)}."
    elif record.verdict == "accepted":
        made = _taken(record, when)
    else:
        made = _refused(record, when)
    return shown(made)


def facts(record: Record) -> Iterator[tuple[str, str]]:
    """(label, words) of everything the record knows."""
    for label, words in _facts(record):
        if words:
            yield label, shown(words)


def in_full(detail: dict[str, Any]) -> dict[str, Any]:
    """A record's detail with the facts that are stored as left out."""
    found = recorded(detail)
    if found is None:
        return detail
    message, recipient = found
    return detail | {"message": message.in_full(), "recipient": recipient.in_full()}


def recorded(detail: dict[str, Any]) -> tuple[MessageFacts, RecipientFacts] | None:
    """What was decided from; None where nothing was, as for mail of our own users, or where it cannot be read."""
    try:
        return MessageFacts.from_json(detail["message"]), RecipientFacts.from_json(detail["recipient"])
    except (KeyError, AttributeError, Invalid):
        return None


def _taken(record: Record, when: When) -> str:
    detail = record.detail
    whence = f"on {when(record.at)} {_client(record)}"
    if record.reason == "forwarded":
        return f"Accepted for {record.rcpt_to} {whence}, and passed on to where that address leads."
    if record.reason == "covered":
        return f"Accepted for {record.rcpt_to} {whence}: another recipient of this message has the copy already."
    if detail.get("local"):
        sender = record.mail_from or "ourselves"
        return f"Accepted into {_mailbox(record)} on {when(record.at)} from {sender}, who had logged in here."
    why = detail.get("sentence") or record.reason
    if detail.get("action") == REJECTS_TO_MAILBOX:
        return f"Put into {_mailbox(record)} {whence}, where we would have refused it: {why}; {_instead(detail)}."
    return f"Accepted into {_mailbox(record)} {whence}: {why}."


def _instead(detail: dict[str, Any]) -> str:
    """Why what was refused was put somewhere after all: what the verdict considered last."""
    return str((detail.get("considered") or ["a ruleset says so"])[-1])


def _refused(record: Record, when: When) -> str:
    detail = record.detail
    code = " ".join(str(detail.get("reply") or "").split()[:2])
    answered = f" with {code}" if code else ""
    why = str(detail.get("sentence") or _FAULTS.get(record.reason) or record.reason).rstrip(".")
    why = why[:1].lower() + why[1:] if "stage" in detail else why
    whom = f" for {record.rcpt_to}" if record.rcpt_to else f" from {record.mail_from or '<>'}"
    whence = f"{whom} on {when(record.at)} {_client(record)}".rstrip()
    copy = f" A copy is in {detail['kept_in']}." if detail.get("kept_in") else ""
    copy = f" No copy was kept: {detail['no_copy']}." if detail.get("no_copy") else copy
    stage = detail.get("stage")
    if stage == "DATA":
        return f"Refused while its content came{whence}{answered}: {why}."
    if stage == "END":
        return f"Put off{whence}{answered}: {why}."
    if stage:
        return f"Never reached us: refused at {stage}{whence}{answered}: {why}."
    return f"Refused{whence}{answered}: {why}.{copy}"


# What the store could not do, as the trace names it.
_FAULTS = {"OverQuota": "the mailbox is full", "NoSuchAddress": "the account is gone"}


def _sent(record: Record, when: When) -> str:
    detail, to = record.detail, record.rcpt_to
    at = when(record.at)
    match record.verdict, record.reason:
        case "accepted", "forwarded":
            return f"Queued on {at} to be passed on to {to}, where {detail.get('for', 'an address of ours')} leads."
        case "accepted", _:
            return f"Taken from {record.mail_from or 'ourselves'} for {to} on {at}, and queued to be sent."
        case "delivered", _:
            return f"Delivered to {to} on {at}: {_remote(detail)}."
        case "deferred", "crashed":
            return f"The delivery process died on {at} while it had the message for {to}; it is tried again."
        case "deferred", "duplicate-possible":
            return (
                f"The delivery process died on {at} when all of the message for {to} was sent and before the answer"
                " came; it is tried again and may arrive twice."
            )
        case "deferred", _:
            again = f" It is tried again on {when(detail['next_attempt_at'])}." if detail.get("next_attempt_at") else ""
            return f"Not delivered to {to} by attempt {detail.get('attempt', '?')} on {at}: {_remote(detail)}.{again}"
        case "failed", _:
            return f"Given up for {to} on {at} after attempt {detail.get('attempt', '?')}: {_remote(detail)}."
        case "held", "poison":
            return f"Held on {at}: the delivery process died again and again over the message for {to}."
    return f"{record.verdict.capitalize()} for {to} on {at}: {record.reason}."


def _remote(detail: dict[str, Any]) -> str:
    """Who said what, in his words."""
    text = str(detail.get("text") or "").strip().rstrip(".")
    if not detail.get("code"):
        return text or "nobody answered"
    host = " ".join(filter(None, (detail.get("host"), f"[{detail['ip']}]" if detail.get("ip") else "")))
    said = " ".join(filter(None, (str(detail["code"]), detail.get("enhanced"), text)))
    return f"{host or 'we'} said {said}"


def _mailbox(record: Record) -> str:
    mailbox = record.detail.get("mailbox")
    return f"{mailbox} of {record.rcpt_to}" if mailbox else f"a mailbox of {record.rcpt_to}"


def _client(record: Record) -> str:
    """The host that brought it."""
    message = record.detail.get("message")
    known = message if isinstance(message, dict) else record.detail
    ip, name = known.get("ip"), known.get("ehlo_name")
    if not ip:
        return ""
    return f"from {ip} ({name})" if name else f"from {ip}"


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    detail = record.detail
    found = recorded(detail)
    yield "from", record.mail_from or "<> (a notification)"
    yield "to", record.rcpt_to
    yield "message-id", f"<{record.message_id}>" if record.message_id else ""
    if found is not None:
        message, recipient = found
        yield from _of_message(message)
        yield from _checks(message)
        yield (
            "override",
            ", ".join(
                overrides(message, is_mailing_list=record.reason == "list-allow", is_forward=recipient.is_forward)
            ),
        )
        yield from _of_recipient(message, recipient, record.at)
    elif detail.get("ruleset_id"):
        yield "ruleset", f"{detail['ruleset_id']}, into {detail.get('ruleset_mailbox')}"
    if detail.get("action") == REJECTS_TO_MAILBOX:
        yield "instead", _instead(detail)
    if record.direction == "out":
        yield from _of_attempt(record)
    yield "reason", f"{record.verdict}, {record.reason}"
    yield "answered", str(detail.get("reply") or "")
    kept, there = detail.get("kept_in"), detail.get("copy")
    yield "copy", f"in {kept}{f', {there}' if there else ''}" if kept else str(detail.get("no_copy") or "")
    yield "cid", record.cid


def _of_message(message: MessageFacts) -> Iterator[tuple[str, str]]:
    yield "subject", message.subject
    yield "author", f"{message.author or 'none'} ({message.author_defect})" if message.author_defect else message.author
    yield "size", f"{message.size:,} octets" if message.size else ""


def _checks(message: MessageFacts) -> Iterator[tuple[str, str]]:
    tls = "with TLS" if message.tls else "without TLS"
    yield "client", f"{message.ip} ({message.ehlo_name or 'no name'}), reverse DNS {message.iprev}, {tls}"
    yield "SPF", f"{message.spf} for {message.spf_domain or 'no domain'}, by {message.spf_identity}"
    for one in message.dkim:
        yield "DKIM", f"{one.result} for {one.domain or 'no domain'}" + ("" if one.usable else ", proves nothing here")
    if not message.dkim:
        yield "DKIM", "none"
    asks = f", {message.dmarc_domain} asks for {message.dmarc_policy}" if message.dmarc_policy else ""
    spared = ", but not of this one" if message.dmarc_sampled_out else ""
    yield "DMARC", f"{message.dmarc}{asks}{spared}"
    yield "ARC", message.arc
    yield "block lists", ", ".join(message.dnsbl) or "none"


def _of_recipient(message: MessageFacts, recipient: RecipientFacts, at: int) -> Iterator[tuple[str, str]]:
    # Made again from what decided: so are threshold and reputation as they were.
    case, verdict = case_of(message, recipient, at), decide(message, recipient, at)
    known = case.reputation
    yield "reputation", f"by {known.method}: {known.verdict or 'nothing'}, {known.explanation}"
    if recipient.has_junk_filter and recipient.probability is not None:
        weight = f"threshold {case.threshold:.2f}" if verdict.threshold is not None else "not weighed"
        strict = f", lowered because {STRICT_CAUSES[verdict.strict]}" if verdict.strict else ""
        little = "" if recipient.significant else ", too little was learnt to believe it"
        yield "content", f"score {recipient.probability:.2f}, {weight}{strict}{little}"
        yield "junk words", _words(recipient.spam_words)
        yield "good words", _words(recipient.ham_words)
    if recipient.ruleset_id:
        yield "ruleset", f"{recipient.ruleset_id}, into {recipient.ruleset_mailbox}"
    yield "mailbox", case.intended if verdict.action == ACCEPT else f"{case.intended}, had it been taken"


def _words(words: tuple[Word, ...]) -> str:
    return ", ".join(f"{one.word} {one.score:.2f}" for one in words)


def _of_attempt(record: Record) -> Iterator[tuple[str, str]]:
    detail = record.detail
    yield "passed on", f"for {detail['for']}" if detail.get("for") else ""
    yield "attempt", str(detail.get("attempt") or "")
    yield "host", " ".join(filter(None, (detail.get("host"), f"[{detail['ip']}]" if detail.get("ip") else "")))
    yield "TLS", str(detail.get("tls") or "")
    yield "queue", f"entry {record.queue_recipient_id}" if record.queue_recipient_id else ""
