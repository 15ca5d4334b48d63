"""Who must look: events and wake-ups over Redis publish and subscribe, after the commit.

Redis may be gone: publishing never raises and never waits long, and whoever listens can see it, and polls instead.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import redis
import redis.asyncio
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from mail import events
from mail.events import Event
from mail.log import Log

WAIT_SECONDS = 0.05

# After a failure, ask again only this much later: an absent Redis must not cost every commit its wait.
REST_SECONDS = 1.0

STANDING_CHANNEL = b"wake:nobody"


def account_channel(account_id: int) -> str:
    return f"wake:account:{account_id}"


def job_channel(job: str) -> str:
    return f"wake:job:{job}"


class Bus:
    """The publisher of one process; safe for several threads."""

    def __init__(self, redis_url: str, log: Log) -> None:
        self._log = log
        self._resting_until = 0.0
        self._down = False
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=WAIT_SECONDS, socket_connect_timeout=WAIT_SECONDS, protocol=2
        )

    def publish(self, happened: Iterable[Event], *, wake: Iterable[str] = ()) -> None:
        """Tell the listeners of each account, and wake the named jobs; one exchange with Redis."""
        by_account: dict[int, list[dict[str, object]]] = {}
        for one in events.latest(happened):
            by_account.setdefault(one.account_id, []).append(events.as_json(one))
        if time.monotonic() < self._resting_until:
            return
        try:
            told = [(account_channel(account_id), orjson.dumps(listed)) for account_id, listed in by_account.items()]
            told += [(job_channel(job), b"1") for job in wake]
            if len(told) == 1:
                # Nearly always, and a pipeline costs as much again.
                self._redis.publish(*told[0])
            else:
                with self._redis.pipeline(transaction=False) as pipe:
                    for channel, octets in told:
                        pipe.publish(channel, octets)
                    pipe.execute()
        except (RedisError, OSError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            if not self._down:
                self._log.warning("bus-down", error=str(error))
            self._down = True
        else:
            if self._down:
                self._log.info("bus-up")
            self._down = False

    def wake(self, job: str) -> None:
        self.publish((), wake=(job,))

    def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            self._redis.close()


class AsyncBus:
    """The subscriber of one listener: hears of the accounts it follows, and of no others.

    `hears` says of which it does at the moment: Redis has said so. What happened before that was not heard.
    """

    def __init__(self, redis_url: str, log: Log) -> None:
        self._url = redis_url
        self._log = log
        self._followed: set[int] = set()
        self._heard: set[int] = set()
        self._subscribed: PubSub | None = None
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def followed(self) -> frozenset[int]:
        return frozenset(self._followed)

    def hears(self, account_id: int) -> bool:
        return account_id in self._heard

    def follow(self, account_id: int) -> None:
        if account_id not in self._followed:
            self._followed.add(account_id)
            if self._subscribed is not None:
                self._ask(self._subscribed.subscribe(account_channel(account_id)))

    def unfollow(self, account_ids: Iterable[int]) -> None:
        gone = self._followed.intersection(account_ids)
        self._followed -= gone
        self._heard -= gone
        if self._subscribed is not None and gone:
            self._ask(self._subscribed.unsubscribe(*map(account_channel, gone)))

    def _ask(self, question: Awaitable[object]) -> None:
        async def asked() -> None:
            # `listen` meets the same loss, and begins anew with all that are followed.
            with contextlib.suppress(RedisError, OSError):
                await question

        task = asyncio.get_running_loop().create_task(asked())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def listen(self, on_events: Callable[[int, list[Event]], None], on_hearing: Callable[[int], None]) -> None:
        """Run until cancelled. `on_hearing` is told each account as it begins to be heard of."""
        wait = 0.1
        while True:
            try:
                async with redis.asyncio.Redis.from_url(self._url, protocol=2) as client, client.pubsub() as subscribed:
                    # The first holds the connection while nobody is followed.
                    asked = self.followed
                    await subscribed.subscribe(STANDING_CHANNEL, *map(account_channel, asked))
                    self._subscribed = subscribed
                    for account_id in self._followed - asked:
                        self._ask(subscribed.subscribe(account_channel(account_id)))
                    async for heard in subscribed.listen():
                        wait = 0.1
                        self._hear(heard, on_events, on_hearing)
            except (RedisError, OSError) as error:
                self._log.warning("bus-down", error=str(error))
            finally:
                self._subscribed = None
                self._heard.clear()
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    def _hear(
        self, heard: dict[str, Any], on_events: Callable[[int, list[Event]], None], on_hearing: Callable[[int], None]
    ) -> None:
        channel, kind = heard["channel"], heard["type"]
        if kind == "message":
            self._tell(channel, heard["data"], on_events)
        elif channel != STANDING_CHANNEL:
            account_id = int(channel.rpartition(b":")[2])
            if account_id not in self._followed:
                return
            if kind == "subscribe":
                self._heard.add(account_id)
                on_hearing(account_id)
            elif self._subscribed is not None:
                # Followed again before this came.
                self._heard.discard(account_id)
                self._ask(self._subscribed.subscribe(account_channel(account_id)))

    def _tell(self, channel: bytes, data: bytes, on_events: Callable[[int, list[Event]], None]) -> None:
        try:
            account_id = int(channel.rpartition(b":")[2])
            happened = [events.from_json(fields) for fields in orjson.loads(data)]
        except (ValueError, KeyError, TypeError) as error:
            self._log.warning("bus-garbage", error=repr(error))
            return
        on_events(account_id, happened)
