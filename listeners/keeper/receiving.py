"""Mail from strangers, once it has come in: who gets it, what each of them says to it, one reply for all.

    expand recipients -> judge for each (one read transaction) -> settle the verdicts -> write everything in one batch

The listener that asks has only found facts; whatever is said of addresses, accounts and verdicts is decided here. A
message that is to wait for the delay of first-time senders is answered with `wait` and comes again.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from listeners.keeper.committer import Content
from listeners.keeper.notices import notice_of
from listeners.keeper.reader import Reader
from listeners.keeper.tables import RoutingTables
from listeners.rpc import Request
from mail import srs
from mail.accounts.expand import Expansion, expand
from mail.address import Address, parse_address
from mail.errors import Invalid
from mail.now import Clock
from mail.receive.judge import Destination, Judge, Judged
from mail.receive.message import Message
from mail.receive.receipt import receipt_of
from mail.receive.settled import Settled, judged_outward, settled_of
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes
from mail.store.receipts import receive

Commit = Callable[[list[Content], Callable[[Changes, list[Staged]], Any]], Awaitable[Any]]
Contents = Callable[[Request, list[Any]], list[Content]]


class Receiving:
    """The verb `receive`."""

    def __init__(
        self,
        commit: Commit,
        contents: Contents,
        reader: Reader,
        judge: Judge,
        tables: RoutingTables,
        *,
        clock: Clock,
        hostname: str,
        srs_key: bytes,
        give_up_ms: int,
    ) -> None:
        self._commit = commit
        self._contents = contents
        self._reader = reader
        self._judge = judge
        self._tables = tables
        self._clock = clock
        self._hostname = hostname
        self._srs_key = srs_key
        self._give_up_ms = give_up_ms

    async def receive(self, request: Request) -> dict[str, Any]:
        """{"wait": true}, or {"reply": [code, enhanced, text] or null, "blob", "reason", "slow"}."""
        contents = self._contents(request, [request.args["size"]])
        message = Message.from_args(request.args)
        settled = await self._settled(message)
        judged = settled.judged
        if settled.reply is None and not message.waited and any(one.verdict.delay for one in judged):
            return {"wait": True}
        blob = await self._write(settled, contents)
        verdicts = [*(one.verdict for one in judged), *(one.verdict for one in settled.outward)]
        reason = verdicts[0].reason if verdicts else ""
        reply = settled.reply
        return {
            "reply": None if reply is None else [reply.code, reply.enhanced, reply.text],
            "blob": blob,
            "reason": reason,
            # Whoever brings junk has time to lose (features S02).
            "slow": reply is not None and bool(verdicts) and reason not in ("over-quota", "high-rate"),
        }

    async def _settled(self, message: Message) -> Settled:
        expansion = self._expanded(message)
        now = self._clock.wall_ms()
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
        judged: list[Judged] = []
        if destinations:
            judged = await self._reader.ask(
                lambda connection: self._judge.judge(
                    connection, message.arrived, destinations, now, counted=message.counted
                )
            )
        outward = judged_outward(message, expansion, now)
        return settled_of(message, judged, outward, expansion)

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

    async def _write(self, settled: Settled, contents: list[Content]) -> str:
        """Everything that follows, in one commit; the id of the blob, empty when nothing of the message is kept."""
        message = settled.message
        keeps = settled.reply is None or any(one.verdict.rejects_mailbox for one in settled.judged)
        notice = None
        if settled.bounced and message.mail_from is not None:
            notice = notice_of(
                message.mail_from, settled.bounced, message.summary, message.received_at, self._hostname, contents[0]
            )
        blobs: list[str] = []

        def write(changes: Changes, staged: list[Staged]) -> None:
            blob = row_of(staged[0], changes.now) if keeps else BlobRow("", "", 0, b"", changes.now)
            postmaster = self._tables.current.postmaster_account
            expires_at = changes.now + self._give_up_ms
            receive(
                changes,
                receipt_of(settled, blob, changes.now, key=self._srs_key, owner=postmaster, expires_at=expires_at),
            )
            if notice is not None and postmaster is not None:
                notice.queue(changes, row_of(staged[1], changes.now), postmaster, expires_at)
            blobs.append(blob.id)

        try:
            wanted = (contents if keeps else []) + ([notice.content] if notice is not None else [])
            await self._commit(wanted, write)
        finally:
            if notice is not None:
                notice.close()
        return blobs[-1]


def row_of(staged: Staged, now: int) -> BlobRow:
    return BlobRow(staged.id, staged.folder, staged.size, staged.sha256, now, staged.octets)
