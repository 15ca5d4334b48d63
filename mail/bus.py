"""Who must look: events and wake-ups over Redis publish and subscribe, after the commit.

Redis may be gone: publishing never raises and never waits long, and whoever listens is told so that it polls instead.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import orjson
import redis
import redis.asyncio
from redis.exceptions import RedisError

from mail import events
from mail.events import Event
from mail.log import Log

WAIT_SECONDS = 0.05

# After a failure, ask again only this much later: an absent Redis must not cost every commit its wait.
REST_SECONDS = 1.0


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
            with self._redis.pipeline(transaction=False) as pipe:
                for account_id, listed in by_account.items():
                    pipe.publish(account_channel(account_id), orjson.dumps(listed))
                for job in wake:
                    pipe.publish(job_channel(job), b"1")
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
    """The subscriber of one listener."""

    def __init__(self, redis_url: str, log: Log) -> None:
        self._url = redis_url
        self._log = log

    async def listen(self, on_events: Callable[[int, list[Event]], None], on_state: Callable[[bool], None]) -> None:
        """Run until cancelled. `on_state` is told whether events come; while they do not, the caller polls."""
        wait = 0.1
        while True:
            try:
                async with redis.asyncio.Redis.from_url(self._url, protocol=2) as client, client.pubsub() as subscribed:
                    await subscribed.psubscribe("wake:account:*")
                    async for heard in subscribed.listen():
                        if heard["type"] == "psubscribe":
                            on_state(True)
                            wait = 0.1
                        elif heard["type"] == "pmessage":
                            self._tell(heard["channel"], heard["data"], on_events)
            except (RedisError, OSError) as error:
                self._log.warning("bus-down", error=str(error))
            on_state(False)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    def _tell(self, channel: bytes, data: bytes, on_events: Callable[[int, list[Event]], None]) -> None:
        try:
            account_id = int(channel.rpartition(b":")[2])
            happened = [events.from_json(fields) for fields in orjson.loads(data)]
        except (ValueError, KeyError, TypeError) as error:
            self._log.warning("bus-garbage", error=repr(error))
            return
        on_events(account_id, happened)
