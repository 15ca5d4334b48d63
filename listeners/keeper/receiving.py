"""Mail from strangers, once it has come in: who gets it, what each of them says to it, one reply for all.

    expand recipients -> ask what their accounts know (read for a whole batch) -> judge for each -> settle the verdicts
    -> write all in one batch

The listener that asks has only found facts; whatever is said of addresses, accounts and verdicts is decided here. A
message that is to wait for the delay of first-time senders is answered with `wait` and comes again, and so does one
whose words were not read, answered with `words`, when a filter would read them.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from listeners.keeper.committer import Content, Decided
from listeners.keeper.notices import Notice, notice_of
from listeners.keeper.tables import RoutingTables
from listeners.rpc import Request
from mail import srs
from mail.accounts.expand import Expansion, expand
from mail.address import Address, parse_address
from mail.errors import Invalid, MailError
from mail.metrics import Counted
from mail.now import Clock
from mail.policy.verdict import REJECT
from mail.receive.judge import Destination, Judge, Question, ask
from mail.receive.message import Message
from mail.receive.receipt import receipt_of
from mail.receive.settled import Settled, judged_outward, settled_of
from mail.receive.turn import Turn
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes
from mail.store.experience import Known, Wanted
from mail.store.receipts import Receipt, obstacle, receive

Commit = Callable[..., Awaitable[Any]]
Contents = Callable[[Request, list[Any]], list[Content]]

NO_BLOB = BlobRow("", "", 0, b"", 0)
# Refusals that say nothing about the message.
_INNOCENT = frozenset({"over-quota", "high-rate"})


@dataclass(frozen=True, slots=True)
class Asked:
    expansion: Expansion
    question: Question


class Receiving:
    """The verb `receive`."""

    def __init__(
        self,
        commit: Commit,
        contents: Contents,
        judge: Judge,
        tables: RoutingTables,
        *,
        clock: Clock,
        hostname: str,
        srs_key: bytes,
        give_up_ms: int,
        decisions: Counted,
    ) -> None:
        """`decisions` counts by the labels reason and action."""
        self._commit = commit
        self._contents = contents
        self._judge = judge
        self._tables = tables
        self._clock = clock
        self._hostname = hostname
        self._srs_key = srs_key
        self._give_up_ms = give_up_ms
        self._decisions = decisions

    async def receive(self, request: Request) -> dict[str, Any]:
        """{"wait": true}, {"words": [account id]}, or {"reply": [code, enhanced, text] or null, "blob", "reason",
        "slow"}.
        """
        contents = self._contents(request, [request.args["size"]])
        work = _Work(self, Message.from_args(request.args), contents)
        try:
            answer: dict[str, Any] = await self._commit(contents, work.write, work)
        finally:
            work.close()
        for reason, action in work.decisions():
            self._decisions.labels(reason, action).inc()
        return answer

    def asked(self, message: Message, wanted: Wanted) -> Asked:
        """Who is to be asked about the message; what is to be known of them goes into `wanted`."""
        expansion = self._expanded(message)
        incoming = self._tables.incoming
        destinations = [
            Destination(
                rcpt_to,
                route,
                incoming.rules_of(route.account_id),
                incoming.rulesets_of(route.account_id, *route.place),
            )
            for rcpt_to, route in expansion.local
        ]
        return Asked(expansion, ask(message.arrived, destinations, wanted))

    def settled(self, message: Message, asked: Asked, known: Mapping[int, Known]) -> Settled:
        """The decision: what every recipient says, and the one reply."""
        now = self._clock.wall_ms()
        judged = self._judge.judge(asked.question, known, now, counted=message.turn is Turn.AGAIN)
        return settled_of(message, judged, judged_outward(message, asked.expansion, now), asked.expansion)

    def _expanded(self, message: Message) -> Expansion:
        facts = message.arrived.facts
        return expand(
            self._tables.current,
            list(message.recipients),
            author=parse_address(facts.author, strict=False) if facts.author else None,
            author_verified=facts.from_validated,
            delivered_to=message.delivered_to,
            bounce_to=self._bounce_to if message.mail_from is None else lambda address: None,
        )

    def _bounce_to(self, address: Address) -> Address | None:
        try:
            return srs.reverse(address.localpart, self._srs_key, self._clock.wall_ms())
        except Invalid:
            return None

    def receipt(self, settled: Settled, blob: BlobRow, now: int) -> Receipt:
        owner, expires_at = self._tables.current.postmaster_account, now + self._give_up_ms
        return receipt_of(settled, blob, now, key=self._srs_key, owner=owner, expires_at=expires_at)

    def notice(self, settled: Settled, original: Content) -> Notice | None:
        """For the sender, of those who did not get what others got."""
        message, owner = settled.message, self._tables.current.postmaster_account
        if not settled.bounced or message.mail_from is None or owner is None:
            return None
        return notice_of(
            message.mail_from,
            settled.bounced,
            message.summary,
            original,
            at=message.received_at,
            hostname=self._hostname,
            account_id=owner,
            expires_at=self._clock.wall_ms() + self._give_up_ms,
        )


class _Work:
    """One message on its way through the committer: what is asked, what is decided, and `write`, what follows."""

    def __init__(self, receiving: Receiving, message: Message, contents: list[Content]) -> None:
        self._receiving = receiving
        self._message = message
        self._contents = contents
        self._asked: Asked | None = None
        self._settled: Settled | None = None
        self._notice: Notice | None = None
        self._written = False

    def ask(self, wanted: Wanted) -> None:
        self._asked = self._receiving.asked(self._message, wanted)

    def decide(self, known: Mapping[int, Known]) -> None:
        message, asked = self._message, self._asked
        assert asked is not None
        readers = asked.question.words_lacked_by(known)
        if readers:
            raise Decided({"words": sorted(readers)})
        settled = self._settled = self._receiving.settled(message, asked, known)
        may_wait = message.turn is Turn.FIRST and settled.reply is None
        if may_wait and any(one.verdict.delay for one in settled.judged):
            raise Decided({"wait": True})
        settled.promise(known)
        self._notice = self._receiving.notice(settled, self._contents[0])
        if not settled.keeps:
            # Nothing of it is stored, so nothing of it is written.
            self._contents.clear()
        if self._notice is not None:
            self._contents.append(self._notice.content)

    def write(self, changes: Changes, staged: list[Staged]) -> dict[str, Any] | MailError:
        settled = self._settled
        assert settled is not None
        blob = BlobRow.of(staged[0], changes.now) if settled.keeps else NO_BLOB
        receipt = self._receiving.receipt(settled, blob, changes.now)
        stopped = obstacle(changes, receipt)
        if stopped is not None:
            return stopped
        receive(changes, receipt)
        if self._notice is not None:
            self._notice.queue(changes, BlobRow.of(staged[-1], changes.now))
        self._written = True
        reply = settled.reply
        return {
            "reply": None if reply is None else [reply.code, reply.enhanced, reply.text],
            "blob": blob.id,
            "reason": settled.reason,
            # Whoever brings junk has time to lose (features S02).
            "slow": reply is not None
            and any(one.reply == reply and one.reason not in _INNOCENT for one in settled.verdicts),
        }

    def decisions(self) -> Iterator[tuple[str, str]]:
        """(reason, action) for each recipient, once they are committed; none while the message is to wait."""
        settled = self._settled
        if settled is None or not self._written:
            return
        for one in (*settled.judged, *settled.outward):
            yield one.verdict.reason, one.verdict.action
        for refused in settled.expansion.refused:
            yield refused.reason, REJECT

    def close(self) -> None:
        if self._notice is not None:
            self._notice.close()
