"""From replies to outcomes: what moves the queue, and what the sender is told.

A DSN is owed for a failure (unless NOTIFY says otherwise), once for a delay, and for success when it was asked for and
the remote cannot tell (RFC 3461 §6); never to the null sender (security SM-10).
"""

from dataclasses import dataclass

from mail.dsn import Kind, RecipientReport
from mail.queue.outcome import DEFERRED, DELIVERED, FAILED, Outcome
from mail.queue.schedule import delay_notice_due, next_attempt
from mail.smtp.reply_reader import Reply
from mail.store.queue import Claimed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one attempt came to for one recipient."""

    claimed: Claimed
    reply: Reply
    host: str = ""
    ip: str = ""
    tls: str = ""
    # The remote takes DSN parameters: it will tell of success itself.
    remote_tells: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification to make: for one recipient, to be joined with others of its message and kind."""

    kind: Kind
    claimed: Claimed
    report: RecipientReport


@dataclass(frozen=True, slots=True)
class Judged:
    outcome: Outcome
    owed: Owed | None


def judge(verdict: Verdict, now: int, *, delay_after_ms: int, jitter: float) -> Judged:
    """Delivered, deferred or failed, and what is owed to the sender."""
    claimed, reply = verdict.claimed, verdict.reply
    again: int | None = None
    if reply.positive:
        result = DELIVERED
    elif reply.permanent:
        result = FAILED
    else:
        again = next_attempt(claimed.attempts, now, claimed.expires_at, jitter=jitter)
        result = DEFERRED if again is not None else FAILED
    kind = _owed_kind(verdict, result, now, delay_after_ms)
    outcome = Outcome(
        queue_recipient_id=claimed.id,
        attempt_id=claimed.attempt_id,
        result=result,
        ended_at=now,
        code=reply.code,
        enhanced=reply.enhanced,
        text=reply.text,
        host=verdict.host,
        ip=verdict.ip,
        tls=verdict.tls,
        next_attempt_at=again or 0,
    )
    if kind is None:
        return Judged(outcome, None)
    return Judged(outcome, Owed(kind, claimed, _report(verdict, result, now)))


def _owed_kind(verdict: Verdict, result: str, now: int, delay_after_ms: int) -> Kind | None:
    claimed = verdict.claimed
    if not claimed.mail_from:
        return None
    asked = claimed.notify.split(",") if claimed.notify else ["FAILURE", "DELAY"]
    if result == FAILED and "FAILURE" in asked:
        return Kind.FAILED
    late = delay_notice_due(claimed.queued_at, now, delay_after_ms, sent=claimed.delay_dsn_sent)
    if result == DEFERRED and "DELAY" in asked and late:
        return Kind.DELAYED
    if result == DELIVERED and "SUCCESS" in asked and not verdict.remote_tells:
        return Kind.RELAYED
    return None


def _report(verdict: Verdict, result: str, now: int) -> RecipientReport:
    claimed, reply = verdict.claimed, verdict.reply
    first = {DELIVERED: "2", DEFERRED: "4", FAILED: "5"}[result]
    # A temporary reply that was the last one is a failure now: its class changes with it (RFC 3463 §2).
    status = first + reply.enhanced[1:] if reply.enhanced else f"{first}.0.0"
    if result == FAILED and not reply.permanent:
        status = "5.4.7"
    return RecipientReport(
        address=claimed.rcpt_to,
        status=status,
        diagnostic=f"{reply.code} {reply.enhanced} {reply.text}".replace("  ", " ").strip(),
        remote_mta=verdict.host,
        orcpt=claimed.orcpt,
        last_attempt_at=now,
        will_retry_until=claimed.expires_at,
    )
