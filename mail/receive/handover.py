"""Handing an arriving message to the keeper, and what it answers.

The keeper decides; what a listener says are the facts it found, and the fields for the front of the message.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mail.address import Address
from mail.imap.summary import Summary
from mail.receive.evaluation import evaluation_of
from mail.receive.fields import found_fields
from mail.receive.gather import Envelope, Gathered
from mail.receive.look import Look
from mail.receive.turn import Turn
from mail.smtp import trace_fields
from mail.smtp.replies import Reply
from mail.smtp.trace_fields import Hop

# verb, arguments, descriptors -> the answer
Call = Callable[[str, dict[str, Any], Sequence[int]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`reply` None: it is stored as `blob`, durably. `wait`: ask again after the delay for first-time senders.
    `readers`: ask again with the words; the filters of these accounts read them.
    """

    reply: Reply | None
    blob: str = ""
    reason: str = ""
    slow: bool = False
    wait: bool = False
    readers: tuple[int, ...] = ()


def arguments(
    hop: Hop,
    envelope: Envelope,
    recipients: Sequence[Address],
    look: Look,
    gathered: Gathered,
    summary: Summary,
    *,
    received_at: int,
    size: int,
    with_evaluation: bool,
    turn: Turn,
) -> dict[str, Any]:
    """What `receive` is asked with."""
    single = recipients[0] if len(recipients) == 1 else None
    tail = found_fields(gathered, envelope, hop.hostname) + trace_fields.received(
        hop, at_ms=received_at, recipient=single
    )
    return {
        "cid": hop.cid,
        "mail_from": str(envelope.mail_from or ""),
        "recipients": [str(one) for one in recipients],
        "received_at": received_at,
        "size": size,
        "smtputf8": envelope.smtputf8,
        "require_tls": _require_tls(envelope, look),
        "summary": summary.as_json(),
        "facts": gathered.facts.as_json(),
        "words": None if look.words is None else "\n".join(look.words),
        "fields": look.fields,
        "delivered_to": sorted(look.delivered_to),
        "report": look.report,
        "evaluation": evaluation_of(gathered, envelope) if with_evaluation else None,
        "head": trace_fields.return_path(envelope.mail_from).decode("latin-1"),
        "tail": tail.decode("latin-1"),
        "turn": turn,
    }


def _require_tls(envelope: Envelope, look: Look) -> bool | None:
    """What the sender asks of whoever sends it on: TLS or nothing (True), or to forget what demands it (False). The
    field is not heard beside the parameter (RFC 8689 §3).
    """
    if envelope.require_tls:
        return True
    asked = [value.strip().lower() for name, value in look.fields if name.lower() == "tls-required"]
    return False if asked == ["no"] else None


async def hand_over(call: Call, asked: dict[str, Any], descriptor: int) -> Answer:
    """Raises what the keeper raises for the message as a whole."""
    answer = await call("receive", asked, (descriptor,))
    if answer.get("wait"):
        return Answer(None, wait=True)
    if answer.get("words"):
        return Answer(None, readers=tuple(map(int, answer["words"])))
    reply = answer["reply"]
    reason = str(answer.get("reason") or "")
    made = None if reply is None else Reply(int(reply[0]), str(reply[1]), str(reply[2]))
    return Answer(made, str(answer["blob"]), reason, bool(answer.get("slow")))
