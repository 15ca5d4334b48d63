"""Reading for decisions: one thread, one read transaction for everything that waits.

What a message's recipients know of its sender is read before the message is committed, in the same natural batches as
the commits: while one batch is read, the next one gathers. A question that fails does not fail its neighbours.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from mail.errors import Bug, MailError, Unavailable
from mail.log import Log
from mail.store.engine import Store

T = TypeVar("T")

BATCH_MAX = 64


@dataclass(frozen=True, slots=True)
class _Question:
    read: Callable[[Connection], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop

    def answer(self, result: Any) -> None:
        self.loop.call_soon_threadsafe(self._settle, result)

    def _settle(self, result: Any) -> None:
        if self.future.done():
            return
        if isinstance(result, MailError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Reader:
    """`ask` from the event loop; `start` and `stop` from anywhere."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self._waiting: list[_Question] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reader")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end. Blocks."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    async def ask(self, read: Callable[[Connection], T]) -> T:
        """What `read` gives. Raises the MailError it raised, Unavailable when we are stopping."""
        loop = asyncio.get_running_loop()
        question = _Question(read, loop.create_future(), loop)
        with self._changed:
            if self._stopping:
                raise Unavailable("the keeper is stopping")
            self._waiting.append(question)
            self._changed.notify()
        result: T = await question.future
        return result

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not batch:
                return
            try:
                with self._store.read() as connection:
                    for question in batch:
                        question.answer(self._answer(question, connection))
            except MailError as error:
                self._log.error("reading-failed", exc=error)
                for question in batch:
                    question.answer(type(error)(str(error), public=error.public))

    def _answer(self, question: _Question, connection: Connection) -> Any:
        try:
            return question.read(connection)
        except MailError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the request: one that hurts itself alone
            self._log.error("reading-failed", exc=error)
            return Bug(f"{type(error).__name__}: {error}")
