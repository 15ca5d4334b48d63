"""What another threshold of the junk filter would have changed: the decisions about recent mail, made again.

A decision is a function of the facts that its record in the trace keeps, so each is made twice, with the threshold it
had and with the other one; all else, the noise too, is as it was. What differs is because of the threshold alone, also
after an upgrade that changed the rules. A message that decided nothing by its content stays what it was.

Nothing is kept of the records but counts, however many they are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import decide, replay
from mail.policy.story import recorded
from mail.policy.verdict import ACCEPT, Verdict
from mail.store.traces import TraceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One message and recipient, what was decided, and what would have been. `score`: of its content."""

    id: int
    at: int
    mail_from: str
    rcpt_to: str
    message_id: str
    subject: str
    action: str
    reason: str
    new_action: str
    new_reason: str
    score: float | None

    @property
    def refused(self) -> bool:
        """It was taken, and would have been refused (or put aside by a ruleset that wants refused mail)."""
        return self.action == ACCEPT and self.new_action != ACCEPT

    @property
    def taken(self) -> bool:
        return self.action != ACCEPT and self.new_action == ACCEPT


@dataclass(slots=True)
class WhatIf:
    """`changes` may be run through once; the counts grow with it.

    `decided`: decisions that were made again. `skipped`: records without facts, as of mail of our own users, and of
    what was refused before it was read. `refused` and `taken`: those that were not; `otherwise`: another reason for the
    same.
    """

    threshold: float
    last: int
    decided: int = 0
    skipped: int = 0
    refused: int = 0
    taken: int = 0
    otherwise: int = 0

    def changes(self, records: Iterable[TraceRow]) -> Iterator[Change]:
        """Of the first `last` records that have facts, those that would have come out differently."""
        for row in records:
            if self.decided == self.last:
                return
            found = recorded(row.detail)
            if found is None:
                self.skipped += 1
                continue
            self.decided += 1
            change = self._change(row, *found)
            if change is not None:
                self.refused += change.refused
                self.taken += change.taken
                self.otherwise += not (change.refused or change.taken)
                yield change

    def _change(self, row: TraceRow, message: MessageFacts, recipient: RecipientFacts) -> Change | None:
        before = decide(message, recipient, row.at)
        after = replay(message, recipient, row.at, threshold=self.threshold)
        if _outcome(before) == _outcome(after):
            return None
        return Change(
            id=row.id,
            at=row.at,
            mail_from=row.mail_from,
            rcpt_to=row.rcpt_to,
            message_id=row.message_id,
            subject=message.subject,
            # What was done with it may be gentler than its verdict: another recipient took the message.
            action=str(row.detail.get("action") or before.action),
            reason=row.reason,
            new_action=after.action,
            new_reason=after.reason,
            score=recipient.probability,
        )


def _outcome(verdict: Verdict) -> tuple[str, str]:
    return verdict.action, verdict.reason
