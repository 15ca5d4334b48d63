"""Telling the keeper, many at a time: that final dots are about to be sent, and what came of attempts."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from mail.deliver.notices import Notice, make_notices
from mail.deliver.outcome import Judged
from mail.errors import MailError
from mail.imap.summary import summarize
from mail.log import Log
from mail.now import Clock
from mail.queue.outcome import Outcome
from mail.rpc import Client
from mail.smtp.wire import ConversationFailed
from mail.store.blobs import BlobStore

OUTCOMES_MAX = 200
RETRY_SECONDS = 0.5


class FinalDots:
    """Whoever is about to send a final dot waits until that is committed; those who wait together share a commit."""

    def __init__(self, keeper: Client) -> None:
        self._keeper = keeper
        self._waiting: list[tuple[list[int], asyncio.Future[None]]] = []
        self._running = False

    async def entering(self, ids: list[int]) -> None:
        """ConversationFailed when it could not be committed: then the dot must not be sent."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ids, future))
        if not self._running:
            self._running = True
            try:
                while self._waiting:
                    await self._commit()
            finally:
                self._running = False
        await future

    async def _commit(self) -> None:
        taken, self._waiting = self._waiting, []
        try:
            await self._keeper.call("entering", {"ids": [one for ids, _ in taken for one in ids]})
        except MailError as error:
            for _, future in taken:
                if not future.done():
                    future.set_exception(ConversationFailed(f"our own store: {error}"))
            return
        for _, future in taken:
            if not future.done():
                future.set_result(None)


class Settler:
    """Gathers outcomes and hands them to the keeper until it has them: nothing that was sent is forgotten."""

    def __init__(
        self, keeper: Client, blobs: BlobStore, hostname: str, clock: Clock, log: Log, settled: Callable[[int], None]
    ) -> None:
        self._keeper = keeper
        self._blobs = blobs
        self._hostname = hostname
        self._clock = clock
        self._log = log
        self._settled = settled
        self._waiting: list[Judged] = []
        self._changed = asyncio.Event()

    def add(self, judged: list[Judged]) -> None:
        self._waiting += judged
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                taken, self._waiting = self._waiting[:OUTCOMES_MAX], self._waiting[OUTCOMES_MAX:]
                await self._settle(taken)
                self._settled(len(taken))

    async def _settle(self, taken: list[Judged]) -> None:
        owed = [one.owed for one in taken if one.owed is not None]
        complained = False
        while True:
            try:
                notices = (
                    await asyncio.to_thread(make_notices, owed, self._blobs, self._hostname, self._clock.wall_ms())
                    if owed
                    else []
                )
                await self._send(taken, notices)
                return
            except MailError as error:
                if not complained:
                    self._log.error("settle-deferred", exc=error, outcomes=len(taken))
                complained = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _send(self, taken: list[Judged], notices: list[Notice]) -> None:
        outcomes = [one.outcome.as_json() for one in taken]
        owed_by = {(one, notice.kind): place for place, notice in enumerate(notices) for one in notice.recipient_ids}
        for fields, one in zip(outcomes, taken, strict=True):
            if one.owed is not None:
                kind = one.owed.kind.value
                fields["dsns"] = [(kind, owed_by[(one.outcome.queue_recipient_id, kind)])]
        descriptors = [_memory_file(notice.octets) for notice in notices]
        try:
            messages = [_message(notice) for notice in notices]
            await self._keeper.call("settle", {"outcomes": outcomes, "messages": messages}, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def released(outcome: Outcome) -> Judged:
    return Judged(outcome, None)


def _message(notice: Notice) -> dict[str, Any]:
    return {
        "account_id": notice.account_id,
        "address": notice.address,
        "mailbox": "Inbox",
        "prefix": notice.prefix.decode("latin-1"),
        "size": len(notice.octets),
        "summary": summarize(notice.octets).as_json(),
        "cid": notice.cid,
    }


def _memory_file(octets: bytes) -> int:
    descriptor = os.memfd_create("notice", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor
