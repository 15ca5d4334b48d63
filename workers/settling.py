"""Telling the keeper, many at a time: that final dots are about to be sent, and what came of attempts."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from mail.deliver.notices import Notice, make_notices
from mail.deliver.outcome import Judged
from mail.errors import Bug, Invalid, MailError
from mail.imap.summary import summarize
from mail.rpc import Client
from mail.smtp.wire import ConversationFailed
from workers.services import Services

# A call is one frame of at most 1 MiB (mail/rpc.py): an outcome carries up to 2 kB of the remote's words, a notice its
# summary and its octets, up to 1 MiB, in a descriptor.
OUTCOMES_MAX = 200
OWED_MAX = 16
TLS_OCTETS_MAX = 300_000
RETRY_SECONDS = 0.5
RETRY_SECONDS_MAX = 5.0


class FinalDots:
    """Whoever is about to send a final dot waits until that is committed; those who wait together share a commit."""

    def __init__(self, keeper: Client) -> None:
        self._keeper = keeper
        self._waiting: list[tuple[list[int], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def entering(self, ids: list[int]) -> None:
        """ConversationFailed when it could not be committed: then the dot must not be sent."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((ids, future))
        if self._committing is None or self._committing.done():
            self._committing = loop.create_task(self._commit_all())
        await future

    async def _commit_all(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            failed: ConversationFailed | None = None
            try:
                await self._keeper.call("entering", {"ids": [one for ids, _ in taken for one in ids]})
            except MailError as error:
                failed = ConversationFailed(f"our own store does not answer: {error}")
            for _, future in taken:
                if future.done():
                    continue
                if failed is None:
                    future.set_result(None)
                else:
                    future.set_exception(failed)


class Settler:
    """Gathers outcomes and hands them to the keeper until it has them: nothing that was sent is forgotten."""

    def __init__(self, services: Services, settled: Callable[[int], None]) -> None:
        self._services = services
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
                count = _batch(self._waiting)
                taken, self._waiting = self._waiting[:count], self._waiting[count:]
                await self._settle(taken)
                self._settled(len(taken))

    async def _settle(self, taken: list[Judged]) -> None:
        wait = RETRY_SECONDS
        while True:
            try:
                await self._send(taken)
                return
            except (Bug, Invalid) as error:
                # It will not become better. Alone, only the one that is wrong suffers.
                if len(taken) == 1:
                    self._services.log.critical(
                        "settle-impossible", exc=error, queue_recipient=taken[0].outcome.queue_recipient_id
                    )
                    return
                for one in taken:
                    await self._settle([one])
                return
            except MailError as error:
                if wait == RETRY_SECONDS:
                    self._services.log.error("settle-deferred", exc=error, outcomes=len(taken))
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS_MAX)

    async def _send(self, taken: list[Judged]) -> None:
        services = self._services
        owed = [one.owed for one in taken if one.owed is not None]
        notices: list[Notice] = []
        if owed:
            notices = await asyncio.to_thread(
                make_notices, owed, services.blobs, services.hostname, services.clock.wall_ms()
            )
        outcomes = [one.outcome.as_json() for one in taken]
        place_of = {(one, notice.kind): place for place, notice in enumerate(notices) for one in notice.recipient_ids}
        for fields, one in zip(outcomes, taken, strict=True):
            if one.owed is not None:
                kind = one.owed.kind.value
                fields["dsns"] = [(kind, place_of[(one.outcome.queue_recipient_id, kind)])]
        descriptors = [_memory_file(notice.octets) for notice in notices]
        try:
            signed = await asyncio.gather(*map(self._signatures, notices))
            messages = [_message(notice, fields) for notice, fields in zip(notices, signed, strict=True)]
            tls = [result.as_json() for one in taken for result in one.tls]
            arguments = {"outcomes": outcomes, "messages": messages, "tls": tls}
            await services.keeper.call("settle", arguments, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    async def _signatures(self, notice: Notice) -> bytes:
        """What goes out to somebody elsewhere is signed. If it cannot be it goes all the same: what it tells of has
        happened, and must be committed before its lease ends.
        """
        if not notice.by_queue or self._services.sign_notice is None:
            return b""
        try:
            return await self._services.sign_notice(notice.octets)
        except MailError as error:
            self._services.log.warning("notice-unsigned", error=str(error), cid=notice.cid)
            return b""


def _batch(waiting: list[Judged]) -> int:
    """How many fit into one call."""
    owed = octets = 0
    for place, one in enumerate(waiting[:OUTCOMES_MAX]):
        owed += one.owed is not None
        octets += sum(result.weight for result in one.tls)
        if owed > OWED_MAX or (place and octets > TLS_OCTETS_MAX):
            return place
    return min(len(waiting), OUTCOMES_MAX)


def _message(notice: Notice, signed: bytes) -> dict[str, Any]:
    return {
        "account_id": notice.account_id,
        "address": notice.address,
        "mailbox": "Inbox",
        "prefix": (signed + notice.prefix).decode("latin-1"),
        "size": len(notice.octets),
        "summary": summarize(notice.octets).as_json(),
        "cid": notice.cid,
        "by_queue": notice.by_queue,
        "require_tls": notice.require_tls,
    }


def _memory_file(octets: bytes) -> int:
    descriptor = os.memfd_create("notice", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor
