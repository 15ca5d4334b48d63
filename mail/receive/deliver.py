"""From a message that is complete in the spool to the keeper's word that it is durable.

One message may have several recipients; the SMTP reply is one. If any recipient's copy could not be stored the reply is
that error: the sender tries again and those who had it get it twice, which is better than not at all and than a bounce
to a forged sender (security SM-10). Who was over quota is remembered, so that the next try refuses him alone at RCPT.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mail import errors
from mail.address import Address
from mail.receive.facts import Facts
from mail.smtp import trace_fields
from mail.smtp.trace_fields import Hop

Call = Callable[[str, dict[str, Any], Sequence[int]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message at the end of its DATA."""

    hop: Hop
    reverse_path: Address | None
    recipients: tuple[Address, ...]
    received_at: int
    size: int
    eightbit: bool
    smtputf8: bool
    summary: dict[str, Any]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Stored:
    blob: str
    over_quota: tuple[Address, ...]
    error: errors.MailError | None  # of the first recipient who did not get it


async def deliver(arrival: Arrival, descriptor: int, call: Call) -> Stored:
    """Ask the keeper to store it. Raises what the keeper raises for the message as a whole."""
    arguments = {
        "cid": arrival.hop.cid,
        "mail_from": str(arrival.reverse_path or ""),
        "received_at": arrival.received_at,
        "size": arrival.size,
        "eightbit": arrival.eightbit,
        "smtputf8": arrival.smtputf8,
        "summary": arrival.summary,
        "facts": arrival.facts.as_json(),
        "recipients": [
            {"address": str(recipient), "prefix": prefix(arrival, recipient).decode("latin-1")}
            for recipient in arrival.recipients
        ],
    }
    answer = await call("deliver", arguments, (descriptor,))
    failed = [(result["address"], result["error"]) for result in answer["results"] if "error" in result]
    if not failed:
        return Stored(answer["blob"], (), None)
    over_quota = {address for address, error in failed if error["kind"] == "OverQuota"}
    error = failed[0][1]
    kind = getattr(errors, error["kind"], errors.MailError)
    return Stored(
        answer["blob"],
        tuple(recipient for recipient in arrival.recipients if str(recipient) in over_quota),
        kind(public=error["public"]),
    )


def prefix(arrival: Arrival, recipient: Address) -> bytes:
    """What is put in front of one recipient's copy."""
    single = recipient if len(arrival.recipients) == 1 else None
    return (
        trace_fields.return_path(arrival.reverse_path)
        + trace_fields.delivered_to(recipient)
        + trace_fields.received(arrival.hop, at_ms=arrival.received_at, recipient=single)
    )
