"""What a settled message leaves behind: copies, rejects, forwards, the trace of each recipient, facts for reports."""

from typing import Any

from mail.policy.facts import RecipientFacts
from mail.policy.keys import key as number
from mail.policy.reputation import folded
from mail.policy.verdict import Verdict, reason_header
from mail.receive.forwarding import forwards
from mail.receive.judge import Judged
from mail.receive.message import Message
from mail.receive.settled import Settled
from mail.store.arrivals import Delivery, LocalRecipient
from mail.store.blob_rows import BlobRow
from mail.store.evaluations import Evaluation
from mail.store.flags import SEEN
from mail.store.receipts import Kept, Receipt
from mail.store.rows import ArrivalRow, storable
from mail.store.traces import trace_values


def receipt_of(settled: Settled, blob: BlobRow, now: int, *, key: bytes, owner: int | None, expires_at: int) -> Receipt:
    """Everything to be written. `key` is that of SRS; `owner`: the account the queue keeps forwarded copies under."""
    message = settled.message
    facts = {"message": message.arrived.facts.as_json()}
    copies = tuple(_copy(message, one) for one in settled.judged if settled.reply is None and _is_put(one.verdict))
    delivery = Delivery(
        blob,
        message.summary,
        message.cid,
        storable(str(message.mail_from or "")),
        message.received_at,
        copies,
        facts,
    )
    sent = forwards(
        [pair for pair in settled.expansion.outside if _is_sent(pair[0], settled)],
        reverse_path=message.mail_from,
        sender_passed=message.sender_passed,
        key=key,
        now=now,
        prefix=message.prefix,
    )
    return Receipt(
        delivery,
        kept=tuple(_kept(message, one) for one in settled.judged if one.verdict.rejects_mailbox),
        rejects_of={
            one.destination.route.account_id: one.destination.rules.rejects_mailbox
            for one in settled.judged
            if settled.reply is None and not one.verdict.is_reject
        },
        forwards=tuple(sent),
        forwarder=owner or 0,
        forwards_expire_at=expires_at,
        smtputf8=message.smtputf8,
        require_tls=message.require_tls,
        traces=tuple(_traces(settled, facts, now)),
        evaluations=tuple(_evaluations(settled)),
    )


def _is_put(verdict: Verdict) -> bool:
    return bool(verdict.mailbox)


def _is_sent(rcpt_to: str, settled: Settled) -> bool:
    """Is a recipient's copy sent on to where it leads: what we would not take ourselves, we pass to nobody."""
    return settled.reply is None and not any(one.verdict.is_reject for one in settled.outward if one.rcpt_to == rcpt_to)


def _copy(message: Message, one: Judged) -> LocalRecipient:
    return _recipient(message, one, one.verdict.mailbox)


def _kept(message: Message, one: Judged) -> Kept:
    verdict = one.verdict
    recipient = _recipient(message, one, verdict.rejects_mailbox)
    return Kept(recipient, one.destination.rules.keep_rejects, refused=verdict.reply is not None)


def _recipient(message: Message, one: Judged, mailbox: str) -> LocalRecipient:
    verdict, facts = one.verdict, message.arrived.facts
    localpart = folded(facts.author).rpartition("@")[0] if facts.author else ""
    return LocalRecipient(
        storable(one.destination.rcpt_to),
        one.destination.route.account_id,
        mailbox,
        message.prefix(one.destination.rcpt_to, reason_header(verdict, one.facts)),
        SEEN if verdict.is_reject else 0,
        ArrivalRow(verdict.intended, message.received_at, one.keys, number("localpart", localpart), verdict.is_reject),
        verdict.reason,
        _told(verdict, one.facts),
    )


def _told(verdict: Verdict, facts: RecipientFacts) -> dict[str, Any]:
    """What the trace keeps of a decision: enough to read it, and to make it again."""
    told: dict[str, Any] = {
        "sentence": verdict.sentence,
        "considered": verdict.considered,
        "action": verdict.action,
        "recipient": facts.as_json(),
    }
    if verdict.reply is not None:
        told["reply"] = f"{verdict.reply.code} {verdict.reply.enhanced} {verdict.reply.text}"
    return told


def _traces(settled: Settled, facts: dict[str, Any], now: int) -> list[dict[str, Any]]:
    """Of the recipients that get no copy, not even in Rejects: what is kept there is told with it."""
    message, others = settled.message, settled.reply

    def row(
        rcpt_to: str, verdict: str, reason: str, told: dict[str, Any], account_id: int | None = None
    ) -> dict[str, Any]:
        return trace_values(
            at=now,
            cid=message.cid,
            direction="in",
            mail_from=storable(str(message.mail_from or "")),
            message_id=message.summary.message_id,
            rcpt_to=storable(rcpt_to),
            account_id=account_id,
            verdict=verdict,
            reason=reason,
            detail={**told, "size": message.size},
        )

    rows: list[dict[str, Any]] = []
    for one in settled.judged:
        if one.verdict.rejects_mailbox or (others is None and _is_put(one.verdict)):
            continue
        told = facts | _told(one.verdict, one.facts)
        if one.verdict.reply is None and others is not None:
            told["sentence"] = f"it would have been taken, but all recipients were answered {others.code}"
        destination = one.destination
        rows.append(row(destination.rcpt_to, "refused", one.verdict.reason, told, destination.route.account_id))
    for out in settled.outward:
        if others is not None or out.verdict.is_reject:
            rows.append(row(out.rcpt_to, "refused", out.verdict.reason, facts | _told(out.verdict, out.facts)))
    for refused in settled.expansion.refused:
        told = {"sentence": refused.text, "reply": f"{refused.code} {refused.enhanced} {refused.text}"}
        rows.append(row(refused.rcpt_to, "refused", refused.reason, facts | told))
    for covered in settled.expansion.covered:
        told = {"sentence": "another recipient of this message has the copy already"}
        if others is not None:
            told = {
                "sentence": f"all recipients were answered {others.code}",
                "reply": f"{others.code} {others.enhanced} {others.text}",
            }
        rows.append(row(covered, "accepted" if others is None else "refused", "covered", told))
    return rows


def _evaluations(settled: Settled) -> list[Evaluation]:
    """What the author's domain is to be told, of each recipient whose verdict says so (features-1 item 12)."""
    message = settled.message
    base = message.evaluation
    if base is None:
        return []
    made: list[Evaluation] = []
    for one in settled.judged:
        verdict = one.verdict
        if not verdict.evaluation or (settled.reply is not None and verdict.reply is None):
            continue
        facts = base | {
            "disposition": verdict.evaluation,
            "overrides": list(verdict.overrides),
            "envelope_to": one.destination.rcpt_to.rpartition("@")[2],
        }
        hours = int(base.get("interval_hours") or 24)
        made.append(Evaluation(str(base["policy_domain"]), verdict.evaluation_optional, hours, facts))
    return made
