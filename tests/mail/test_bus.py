"""Who hears of what, over a real Redis that comes and goes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis

from mail.bus import AsyncBus, Bus, account_channel
from mail.events import Event, MessageAdded
from mail.log import Log
from tests.redis_server import RedisServer

ANN, BOB = 1, 2


class Ears:
    """A listener, and what it heard."""

    def __init__(self, url: str, log: Log) -> None:
        self.bus = AsyncBus(url, log)
        self.events: list[Event] = []
        self.hearing: list[int] = []
        self._task = asyncio.create_task(self.bus.listen(lambda _, events: self.events.extend(events), self.on_hearing))

    def on_hearing(self, account_id: int) -> None:
        self.hearing.append(account_id)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(descriptor=os.open(tmp_path / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC))


@pytest.fixture
async def ears(redis_server: RedisServer, log: Log) -> AsyncIterator[Ears]:
    made = Ears(redis_server.url, log)
    yield made
    await made.close()


def added(account_id: int, uid: int) -> MessageAdded:
    return MessageAdded(account_id, 10 * account_id, uid, uid)


async def test_accounts_are_heard_of_while_they_are_followed_and_no_others(
    redis_server: RedisServer, ears: Ears, log: Log
) -> None:
    publisher = Bus(redis_server.url, log)
    ears.bus.follow(ANN)
    await ears.until(lambda: ears.bus.hears(ANN))
    assert ears.hearing == [ANN] and not ears.bus.hears(BOB) and ears.bus.followed == {ANN}
    publisher.publish([added(BOB, 1), added(ANN, 1), added(ANN, 2)])
    await ears.until(lambda: ears.events == [added(ANN, 2)])
    ears.bus.follow(BOB)
    await ears.until(lambda: ears.bus.hears(BOB))
    publisher.publish([added(BOB, 3)])
    await ears.until(lambda: ears.events[-1] == added(BOB, 3))
    ears.bus.unfollow([ANN])
    assert not ears.bus.hears(ANN) and ears.bus.followed == {BOB}
    with redis.Redis.from_url(redis_server.url) as client:
        await ears.until(lambda: client.pubsub_numsub(account_channel(ANN))[0][1] == 0)
    publisher.publish([added(ANN, 4)])
    publisher.publish([added(BOB, 5)])
    await ears.until(lambda: ears.events[-1] == added(BOB, 5))
    assert added(ANN, 4) not in ears.events
    publisher.close()


async def test_who_is_let_go_and_followed_again_at_once_is_heard_of(ears: Ears) -> None:
    ears.bus.follow(ANN)
    await ears.until(lambda: ears.bus.hears(ANN))
    for _ in range(3):
        ears.bus.unfollow([ANN])
        ears.bus.follow(ANN)
    await ears.until(lambda: ears.bus.hears(ANN))


async def test_after_a_loss_all_that_are_followed_are_heard_of_again(
    redis_server: RedisServer, ears: Ears, log: Log
) -> None:
    ears.bus.follow(ANN)
    await ears.until(lambda: ears.bus.hears(ANN))
    redis_server.stop()
    await ears.until(lambda: not ears.bus.hears(ANN))
    ears.bus.follow(BOB)
    redis_server.start()
    await ears.until(lambda: ears.bus.hears(ANN) and ears.bus.hears(BOB))
    assert ears.hearing.count(ANN) == 2
    publisher = Bus(redis_server.url, log)
    publisher.publish([added(ANN, 1), added(BOB, 2)])
    await ears.until(lambda: ears.events == [added(ANN, 1), added(BOB, 2)])
    publisher.close()
