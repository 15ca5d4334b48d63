"""What the keeper is asked: each verb checks its arguments, makes one entry for the committer and waits for it.

A request comes from a process that talks to strangers: sizes, counts and kinds are checked here, addresses are resolved
here from the keeper's own tables, and who may submit is proven by a ticket that only the auth process can make.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from listeners.keeper.committer import Committer, Content, Decision, Entry
from listeners.keeper.replies import Replies
from listeners.keeper.space import Space
from listeners.keeper.submissions import Asked
from listeners.rpc import Request, Verb
from mail.accounts.routing import Tables
from mail.address import parse_address
from mail.errors import Invalid, MailError, MessageLimit, NoSuchAddress, NotAllowed, RecipientLimit, SendLimit
from mail.imap.summary import Summary
from mail.metrics import Counted
from mail.now import Clock
from mail.queue.outcome import Outcome
from mail.queue.tls_result import TlsResult
from mail.receive.refusals import Refusal
from mail.sasl import tickets
from mail.store import arrivals, queue, send_limits, tls_results
from mail.store.arrivals import Append, Appended, Delivery, LocalRecipient, Submission
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes
from mail.store.queue import NewQueueMessage, NewRecipient
from mail.store.rows import storable
from mail.store.traces import trace_values

Write = Callable[[Changes, list[Staged]], Any]

APPENDED_MAX = 100
REFUSALS_MAX = 1000
# What the metric of submissions calls a limit that was reached (features S09).
RESULTS: dict[type[MailError], str] = {MessageLimit: "messagelimiterror", RecipientLimit: "recipientlimiterror"}


class Verbs:
    """The verbs, bound to one committer."""

    def __init__(
        self,
        committer: Committer,
        tables: Callable[[], Tables],
        space: Space,
        *,
        clock: Clock,
        ticket_key: bytes,
        give_up_ms: int,
        max_message_bytes: int,
        submissions: Counted,
    ) -> None:
        """`submissions` counts by the label result."""
        self._committer = committer
        self._tables = tables
        self._space = space
        self._clock = clock
        self._ticket_key = ticket_key
        self._give_up_ms = give_up_ms
        self._max = max_message_bytes
        self._submissions = submissions
        self._replies = Replies()

    def table(self) -> dict[str, Verb]:
        return {
            "refused": self.refused,
            "submit": self.submit,
            "append": self.append,
            "entering": self.entering,
            "settle": self.settle,
            "space": self.space,
        }

    async def commit(self, contents: list[Content], write: Write, decision: Decision | None = None) -> Any:
        """The result of `write` once it is durable; raises the MailError that stopped it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._committer.submit(Entry(contents, write, lambda result: self._replies.post(future, result), decision))
        return await future

    def contents(self, request: Request, sizes: list[Any], *, spare: bool = True) -> list[Content]:
        """The descriptors of a request with the sizes it claims, each looked at.

        StorageFull below the disk's reserve, unless it is not to be spared.
        """
        if len(sizes) != len(request.fds):
            raise Invalid(f"{len(sizes)} sizes for {len(request.fds)} descriptors")
        contents: list[Content] = []
        for descriptor, size in zip(request.fds, sizes, strict=True):
            if type(size) is not int or not 0 <= size <= self._max or os.fstat(descriptor).st_size < size:
                raise Invalid(f"size {size!r} does not fit its descriptor")
            contents.append(Content(descriptor, size))
        if spare:
            self._space.check(sum(content.size for content in contents))
        return contents

    async def refused(self, request: Request) -> dict[str, Any]:
        """Mail that was refused before it was read, for the trace."""
        listed = request.args["refusals"]
        if not isinstance(listed, list) or not 0 < len(listed) <= REFUSALS_MAX:
            raise Invalid("refusals")
        refusals = [Refusal.from_json(one) for one in listed]

        def write(changes: Changes, staged: list[Staged]) -> None:
            changes.trace_rows += map(refusal_values, refusals)

        await self.commit([], write)
        return {}

    async def submit(self, request: Request) -> dict[str, Any]:
        args = request.args
        account_id, now = int(args["account_id"]), self._clock.wall_ms()
        tickets.check(self._ticket_key, str(args["ticket"]), account_id, now)
        contents = self.contents(request, [args["size"]])
        asked = Asked.from_args(args, now=now, give_up_ms=self._give_up_ms)
        self._check_sender(account_id, asked.mail_from)
        addresses = [one.rcpt_to for one in asked.recipients]

        def write(changes: Changes, staged: list[Staged]) -> tuple[int, list[int]] | SendLimit:
            try:
                # For every door, for every door asks here.
                send_limits.count(changes.tx, account_id, addresses, changes.now)
            except SendLimit as error:
                # Nothing was written: the rest of the batch need not be done again for it.
                return error
            return arrivals.submit(changes, asked.submission(BlobRow.of(staged[0], changes.now)))

        try:
            message_id, recipient_ids = await self.commit(contents, write)
        except MailError as error:
            self._submissions.labels(RESULTS.get(type(error), "error")).inc()
            raise
        self._submissions.labels("ok").inc()
        return {"queue_message": message_id, "recipients": recipient_ids}

    def _check_sender(self, account_id: int, mail_from: str) -> None:
        """The listener has checked already; a listener that was taken over has not."""
        if mail_from and not self._tables().owns(account_id, parse_address(mail_from)):
            raise NotAllowed(public=f"sender address not owned by user: {mail_from}")

    async def append(self, request: Request) -> dict[str, Any]:
        args = request.args
        listed = args["messages"]
        if not isinstance(listed, list) or not 0 < len(listed) <= APPENDED_MAX:
            raise Invalid("messages")
        contents = self.contents(request, [one["size"] for one in listed])
        summaries = [Summary.from_json(one["summary"]) for one in listed]

        def write(changes: Changes, staged: list[Staged]) -> tuple[int, int, list[int], int]:
            messages = tuple(
                Appended(
                    BlobRow.of(blob, changes.now),
                    summary,
                    int(one["received_at"]),
                    int(one.get("flags") or 0),
                    tuple(map(str, one.get("keywords") or ())),
                    str(one.get("prefix") or "").encode("latin-1"),
                )
                for one, summary, blob in zip(listed, summaries, staged, strict=True)
            )
            return arrivals.append(changes, Append(int(args["account_id"]), str(args["mailbox"]), messages))

        mailbox_id, uidvalidity, uids, modseq = await self.commit(contents, write)
        return {"mailbox_id": mailbox_id, "uidvalidity": uidvalidity, "uids": uids, "modseq": modseq}

    async def entering(self, request: Request) -> dict[str, Any]:
        """The final dot is about to be sent for these recipients (security §3.6)."""
        ids = [int(one) for one in request.args["ids"]]
        await self.commit([], lambda changes, staged: queue.entering_final_dot(changes.tx, ids))
        return {}

    async def settle(self, request: Request) -> dict[str, Any]:
        """Outcomes of attempts, what TLS came to in them, and the DSNs they owe, in one transaction: exactly one DSN a
        recipient and kind.
        """
        args = request.args
        outcomes = [Outcome.from_json(one) for one in args["outcomes"]]
        tls = [TlsResult.from_json(one) for one in args.get("tls") or []]
        listed = args.get("messages") or []
        # What is not settled is sent again: the disk's reserve is there for this.
        contents = self.contents(request, [one["size"] for one in listed], spare=False)
        summaries = [Summary.from_json(one["summary"]) for one in listed]

        def write(changes: Changes, staged: list[Staged]) -> int:
            owed = queue.settle(changes.tx, outcomes, changes.now)
            tls_results.add(changes.tx, tls)
            for place in sorted({place for _, _, place in owed}):
                told, blob = listed[place], BlobRow.of(staged[place], changes.now)
                if told.get("by_queue"):
                    queue_dsn(changes, told, blob, summaries[place], expires_at=changes.now + self._give_up_ms)
                else:
                    store_dsn(changes, told, blob, summaries[place])
            return len(owed)

        return {"dsns": await self.commit(contents, write)}

    async def space(self, request: Request) -> dict[str, Any]:
        return {"ok": self._space.has(int(request.args.get("size") or 0)) and self._committer.refusing is None}


def store_dsn(changes: Changes, one: dict[str, Any], blob: BlobRow, summary: Summary) -> None:
    """A DSN goes into the sender's mailbox, full or not: a failure must not be silent. Nowhere when he is gone."""
    recipient = LocalRecipient(
        str(one["address"]),
        int(one["account_id"]),
        str(one.get("mailbox") or "Inbox"),
        str(one.get("prefix") or "").encode("latin-1"),
    )
    cid = str(one.get("cid") or "")
    delivery = Delivery(blob, summary, cid, "", changes.now, (recipient,), {"kind": "dsn"}, "local")
    try:
        state = changes.account(recipient.account_id)
    except NoSuchAddress:
        return
    quota, state.quota = state.quota, 0
    try:
        for placed in arrivals.deliver(changes, delivery):
            if placed.error is not None:
                raise placed.error
    finally:
        state.quota = quota


def refusal_values(one: Refusal) -> dict[str, Any]:
    """The row of the trace."""
    return trace_values(
        at=one.at,
        cid=one.cid,
        direction="in",
        mail_from=storable(one.mail_from),
        rcpt_to=storable(one.rcpt_to),
        verdict="refused",
        reason=one.reason,
        detail=one.detail,
    )


def queue_dsn(changes: Changes, one: dict[str, Any], blob: BlobRow, summary: Summary, *, expires_at: int) -> None:
    """A DSN for a stranger whose message we forwarded: out by the queue, with the null reverse-path."""
    address = parse_address(str(one["address"]), strict=False)
    prefix = str(one.get("prefix") or "").encode("latin-1")
    recipient = NewRecipient(str(address), address.domain, changes.now, expires_at, notify="NEVER")
    message = NewQueueMessage(
        account_id=int(one["account_id"]),
        blob_id=blob.id,
        size=blob.size + len(prefix),
        mail_from="",
        recipients=(recipient,),
        prefix=prefix,
        message_id=summary.message_id,
        subject=summary.subject[:200],
        eightbit=True,
        smtputf8=not address.is_ascii,
        # RFC 8689 §5: what is told of a message is protected like the message.
        require_tls=True if one.get("require_tls") else None,
        cid=str(one.get("cid") or ""),
        return_to=queue.NOBODY,
    )
    try:
        changes.account(message.account_id)
    except NoSuchAddress:
        return
    arrivals.submit(changes, Submission(blob, summary, message))
