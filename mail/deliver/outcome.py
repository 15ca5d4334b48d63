"""From replies to outcomes: what moves the queue, and what the sender is told.

A DSN is owed for a failure (unless NOTIFY says otherwise), once for a delay, and for success when it was asked for and
the remote cannot tell (RFC 3461 §5.2.2) or is we ourselves; never to the null sender (security SM-10).

Who wrote to an address of ours that leads elsewhere is told of that address: where it leads, and what was said there,
is not his to know (RFC 3464 §4.2).
"""

import re
from dataclasses import dataclass

from mail.dsn import Kind, RecipientReport
from mail.queue.outcome import DEFERRED, DELIVERED, FAILED, Outcome
from mail.queue.schedule import delay_notice_due, next_attempt
from mail.queue.tls_result import TlsResult
from mail.smtp.reply_reader import Reply
from mail.store.queue import NOBODY, Claimed

# What is kept of the remote's words, in the queue and in the trace.
TEXT_MAX = 2000

# RFC 3463 §3.8: security or policy status. Over one family of addresses it may be another story than over the other.
_POLICY = re.compile(r"5\.7\.\d+")


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
    # Stored in a mailbox of ours, not handed on.
    final: bool = False
    # The host has addresses of the other family too.
    dual_stack: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification to make: for one recipient, to be joined with others of its message and kind."""

    kind: Kind
    claimed: Claimed
    report: RecipientReport


@dataclass(frozen=True, slots=True)
class Judged:
    """`tls`: what TLS came to on the way; it is stored with the outcome."""

    outcome: Outcome
    owed: Owed | None
    tls: tuple[TlsResult, ...] = ()


def judge(verdict: Verdict, now: int, *, delay_after_ms: int, jitter: float) -> Judged:
    """Delivered, deferred or failed, and what is owed to the sender."""
    claimed, reply = verdict.claimed, verdict.reply
    again: int | None = None
    if reply.positive:
        result = DELIVERED
    elif reply.permanent and not _other_family_may_do(verdict):
        result = FAILED
    else:
        again = next_attempt(claimed.attempts, now, claimed.expires_at, jitter=jitter)
        result = DEFERRED if again is not None else FAILED
    kind = _owed_kind(verdict, result, again or now, delay_after_ms)
    outcome = Outcome(
        queue_recipient_id=claimed.id,
        attempt_id=claimed.attempt_id,
        result=result,
        ended_at=now,
        code=reply.code,
        enhanced=reply.enhanced,
        text=reply.text[:TEXT_MAX],
        host=verdict.host,
        ip=verdict.ip,
        tls=verdict.tls,
        next_attempt_at=again or 0,
    )
    if kind is None:
        return Judged(outcome, None)
    return Judged(outcome, Owed(kind, claimed, _report(verdict, result, now)))


def _other_family_may_do(verdict: Verdict) -> bool:
    """Refused by policy at the first attempt, at a host of both families: next the other (features §1i)."""
    first_of_two = verdict.dual_stack and verdict.claimed.attempts == 1
    return first_of_two and _POLICY.fullmatch(verdict.reply.enhanced) is not None


def _owed_kind(verdict: Verdict, result: str, next_at: int, delay_after_ms: int) -> Kind | None:
    claimed = verdict.claimed
    if claimed.return_to == NOBODY or not (claimed.mail_from or claimed.return_to):
        return None
    asked = claimed.notify.split(",") if claimed.notify else ["FAILURE", "DELAY"]
    if result == FAILED and "FAILURE" in asked:
        return Kind.FAILED
    # What was asked to wait is late from when it was let go.
    begun = max(claimed.queued_at, claimed.release_at)
    late = delay_notice_due(begun, next_at, delay_after_ms, sent=claimed.delay_dsn_sent)
    if result == DEFERRED and "DELAY" in asked and late:
        return Kind.DELAYED
    if result == DELIVERED and "SUCCESS" in asked and not verdict.remote_tells:
        return Kind.DELIVERED if verdict.final else Kind.RELAYED
    return None


def _report(verdict: Verdict, result: str, now: int) -> RecipientReport:
    claimed, reply = verdict.claimed, verdict.reply
    first = {DELIVERED: "2", DEFERRED: "4", FAILED: "5"}[result]
    # A temporary reply that was the last one is a failure now: its class changes with it (RFC 3463 §2).
    status = first + reply.enhanced[1:] if reply.enhanced else f"{first}.0.0"
    if result == FAILED and not reply.permanent:
        status = "5.4.7"
    said = f"{reply.code} {reply.enhanced} {reply.text}".replace("  ", " ").strip()
    if claimed.return_to:
        return RecipientReport(
            address=claimed.orcpt.partition(";")[2] or claimed.rcpt_to,
            status=status,
            diagnostic=f"{reply.code} {reply.enhanced} refused where this address leads".replace("  ", " "),
            last_attempt_at=now,
        )
    return RecipientReport(
        address=claimed.rcpt_to,
        status=status,
        diagnostic=said[:TEXT_MAX],
        # Nobody said what is ours: no server is named for it.
        remote_mta="" if reply.ours else verdict.host,
        orcpt=claimed.orcpt,
        last_attempt_at=now,
        will_retry_until=claimed.expires_at,
    )
