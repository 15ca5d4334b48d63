"""From the verdicts of all recipients to the one reply that SMTP has after DATA (security SM-10, features B08)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mail.accounts.expand import Expansion, Refused
from mail.policy.facts import RecipientFacts, addressed
from mail.policy.incoming import decide
from mail.policy.settlement import settle
from mail.policy.verdict import Verdict
from mail.receive.judge import Judged
from mail.receive.message import Message
from mail.smtp.replies import Reply
from mail.store.experience import Known


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
        """Is anything of the message stored: copies, those that go elsewhere, or one for Rejects."""
        if any(one.verdict.rejects_mailbox for one in self.judged):
            return True
        taken = self.reply is None
        return taken and (
            any(one.verdict.mailbox for one in self.judged) or any(not one.verdict.is_reject for one in self.outward)
        )

    def promise(self, known: Mapping[int, Known]) -> None:
        """From now on the octets of its copies are taken, for who is judged after it and before they are written."""
        for one in self.judged:
            taken = self.reply is None and one.verdict.mailbox
            if taken or one.verdict.rejects_mailbox:
                known[one.destination.route.account_id].promised += self.message.arrived.facts.size

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return (*(one.verdict for one in self.judged), *(one.verdict for one in self.outward))

    @property
    def reason(self) -> str:
        """Why the reply is what it is, in a stable word; empty when nobody was asked."""
        said = [(one.reply, one.reason) for one in self.verdicts]
        said += [(_reply(one), one.reason) for one in self.expansion.refused]
        return next((reason for reply, reason in said if reply == self.reply), "")


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
    refused = [Bounced(one.rcpt_to, _reply(one)) for one in expansion.refused]
    as_said = Settled(message, tuple(judged), tuple(outward), expansion, None)
    if settlement.reply is not None or not (judged or outward or expansion.covered):
        replies = [one.reply for one in refused] + ([settlement.reply] if settlement.reply is not None else [])
        return replace(as_said, reply=_temporary(replies))
    # What goes elsewhere has no place here to be put away in, and neither has junk for an account that is full.
    local = tuple(
        one if one.facts.over_quota else replace(one, verdict=verdict)
        for one, verdict in zip(judged, settlement.verdicts[: len(judged)], strict=True)
    )
    recipients = [*(one.destination.rcpt_to for one in judged), *(one.rcpt_to for one in outward)]
    final = [*(one.verdict for one in local), *(one.verdict for one in outward)]
    # An alias has done its part when one member has its copy (features-1 §8).
    served = {rcpt_to for rcpt_to, verdict in zip(recipients, final, strict=True) if verdict.reply is None}
    for place in settlement.undelivered:
        reply = final[place].reply
        assert reply is not None
        if recipients[place] not in served:
            refused.append(Bounced(recipients[place], reply))
    if message.sender_passed:
        return replace(as_said, judged=local, bounced=tuple(refused))
    waiting = _temporary([one.reply for one in refused])
    if waiting is not None and waiting.code < 500:
        return replace(as_said, reply=waiting)
    return replace(as_said, judged=local)


def _reply(refused: Refused) -> Reply:
    return Reply(refused.code, refused.enhanced, refused.text)


def _temporary(replies: Sequence[Reply]) -> Reply | None:
    """One that lets the sender try again, if there is one."""
    return min(replies, key=lambda one: one.code, default=None)
