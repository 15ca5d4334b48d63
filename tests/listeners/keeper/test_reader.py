"""The keeper's reading thread: many questions in one transaction, each answered or failed by itself."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from listeners.keeper.reader import Reader
from mail.errors import Bug, NotFound, Unavailable
from mail.log import Log
from mail.store.engine import Store


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    made = Reader(store, Log(descriptor=os.open(os.devnull, os.O_WRONLY)))
    made.start()
    yield made
    made.stop()


def sees_one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def finds_nothing(connection: Connection) -> Any:
    raise NotFound(public="no such thing")


def breaks(connection: Connection) -> Any:
    raise ZeroDivisionError("by zero")


async def test_a_question_that_fails_leaves_its_neighbours_alone(reader: Reader):
    answers = await asyncio.gather(
        *(reader.ask(one) for one in (sees_one, finds_nothing, sees_one, breaks, sees_one)), return_exceptions=True
    )
    assert [one if isinstance(one, int) else type(one) for one in answers] == [1, NotFound, 1, Bug, 1]


async def test_a_hundred_questions_are_all_answered(reader: Reader):
    assert await asyncio.gather(*(reader.ask(sees_one) for _ in range(100))) == [1] * 100


async def test_after_the_end_nothing_is_taken(store: Store):
    reader = Reader(store, Log(descriptor=os.open(os.devnull, os.O_WRONLY)))
    reader.start()
    await asyncio.to_thread(reader.stop)
    with pytest.raises(Unavailable):
        await reader.ask(sees_one)
