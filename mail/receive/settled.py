"""From the verdicts of all recipients to the one reply that SMTP has after DATA (security SM-10, features B08)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mail.accounts.expand import Expansion
from mail.policy.facts import RecipientFacts, addressed
from mail.policy.incoming import decide
from mail.policy.settlement import settle
from mail.policy.verdict import Verdict
from mail.receive.judge import Judged
from mail.receive.message import Message
from mail.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Bounced:
    """A recipient, and what would have been answered had it been the only one."""

    rcpt_to: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Outward:
    """A recipient whose mail goes elsewhere: what an address of ours that is not an account can be judged by."""

    rcpt_to: str
    facts: RecipientFacts
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything that was decided; `reply` None: it is taken. `bounced` are told to the sender, who is proved."""

    message: Message
    judged: tuple[Judged, ...]
    outward: tuple[Outward, ...]
    expansion: Expansion
    reply: Reply | None
    bounced: tuple[Bounced, ...] = ()

    @property
    def keeps(self) -> bool:
        """Is anything of the message stored: copies, or one for Rejects."""
        return self.reply is None or any(one.verdict.rejects_mailbox for one in self.judged)

    @property
    def reason(self) -> str:
        """Of the first verdict; empty when no account was asked."""
        verdicts = [*(one.verdict for one in self.judged), *(one.verdict for one in self.outward)]
        return verdicts[0].reason if verdicts else ""


def judged_outward(message: Message, expansion: Expansion, now: int) -> list[Outward]:
    """What goes elsewhere is not passed on when nobody here would take it: our own name is on it then."""
    made: list[Outward] = []
    for rcpt_to in dict.fromkeys(rcpt_to for rcpt_to, _ in expansion.outside):
        facts = RecipientFacts(
            rcpt_to=rcpt_to,
            canonical=rcpt_to,
            no_first_time_delay=True,
            in_to_or_cc=addressed(rcpt_to, message.arrived.facts.to_and_cc),
            history={},
        )
        made.append(Outward(rcpt_to, facts, decide(message.arrived.facts, facts, now)))
    return made


def settled_of(message: Message, judged: Sequence[Judged], outward: Sequence[Outward], expansion: Expansion) -> Settled:
    """One reply for all. Who is refused beside others that take it is told by a notice if the sender is proved; if not,
    and waiting could help him, all wait (security SM-10).
    """
    settlement = settle([*(one.verdict for one in judged), *(one.verdict for one in outward)])
    local = tuple(
        replace(one, verdict=verdict) for one, verdict in zip(judged, settlement.verdicts[: len(judged)], strict=True)
    )
    out = tuple(
        replace(one, verdict=verdict) for one, verdict in zip(outward, settlement.verdicts[len(judged) :], strict=True)
    )
    refused = [Bounced(one.rcpt_to, Reply(one.code, one.enhanced, one.text)) for one in expansion.refused]
    if settlement.reply is not None or not (judged or outward):
        taken = bool(expansion.covered) and settlement.reply is None
        reply = settlement.reply or (None if taken else refused[0].reply if refused else None)
        return Settled(message, local, out, expansion, reply)
    recipients = [*(one.destination.rcpt_to for one in judged), *(one.rcpt_to for one in outward)]
    # An alias has done its part when one member has its copy (features-1 §8).
    served = {rcpt_to for rcpt_to, verdict in zip(recipients, settlement.verdicts, strict=True) if not verdict.reply}
    for place in settlement.undelivered:
        reply = settlement.verdicts[place].reply
        assert reply is not None
        if recipients[place] not in served:
            refused.append(Bounced(recipients[place], reply))
    if message.sender_passed:
        return Settled(message, local, out, expansion, None, tuple(refused))
    waiting = next((one.reply for one in refused if one.reply.code < 500), None)
    return Settled(message, local, out, expansion, waiting)
