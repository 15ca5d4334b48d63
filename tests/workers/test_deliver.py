"""The worker as it runs: a process of its own beside a real keeper, killed at every step of a delivery."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mail.imap.summary import summarize
from mail.now import SystemClock
from mail.rpc import Client
from mail.runtime.stored import open_store
from mail.sasl import tickets
from mail.store import queue_admin, traces
from mail.store.engine import Store
from tests.bundle import ROOT
from tests.deliver_sink import HANG, Sink, running_sink
from tests.faults.keeper import KeeperFolder

pytestmark = pytest.mark.faults

AFTERWARDS = {"greeting": "220 hello", "EHLO": "250-sink.test\r\n250 DSN", "DATA": "354 go on"}
CONTENT = b"From: mailstead@localhost\r\nSubject: x\r\n\r\nbody\r\n"


class Scene:
    """A keeper, a sink everything goes to, and workers that come and die."""

    def __init__(self, place: KeeperFolder, sink: Sink) -> None:
        self.place = place
        self.sink = sink
        settings = place.folder / "mailstead.toml"
        text = settings.read_text().replace('loopback = "127.0.0.1:1"', f'loopback = "127.0.0.1:{sink.port}"')
        settings.write_text(text)
        self.store: Store = open_store(place.settings)
        self.client = Client(place.settings.keeper_socket)

    @contextlib.contextmanager
    def worker(self) -> "Iterator[subprocess.Popen[bytes]]":
        environment = {**os.environ, "MAILSTEAD_SETTINGS": str(self.place.folder / "mailstead.toml")}
        with open(self.place.folder / "log/deliver.log", "ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "workers.deliver"], cwd=ROOT, env=environment, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def submit(self, *to: str) -> list[int]:
        key = tickets.load_key(self.place.settings.ticket_key)
        descriptor = os.memfd_create("message")
        os.write(descriptor, CONTENT)
        arguments: dict[str, Any] = {
            "cid": "c1d",
            "ticket": tickets.make(key, 1, "smtp", SystemClock().wall_ms()),
            "account_id": 1,
            "mail_from": "mailstead@localhost",
            "size": len(CONTENT),
            "summary": summarize(CONTENT).as_json(),
            "recipients": [{"address": one} for one in to],
        }
        try:
            return list((await self.client.call("submit", arguments, (descriptor,)))["recipients"])
        finally:
            os.close(descriptor)

    def row(self, one: int) -> queue_admin.QueuedRow:
        with self.store.read() as connection:
            return queue_admin.show(connection, one)[0]

    def reasons(self, address: str) -> list[str]:
        with self.store.read() as connection:
            return [row.reason for row in traces.find(connection, address=address)]

    def log(self) -> str:
        return (self.place.folder / "log/deliver.log").read_text()


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def scene(folder: Path, answers: "dict[str, Any] | None" = None):
    place = KeeperFolder.make(folder / "b")
    with place.running():
        async with running_sink(answers) as sink:
            made = Scene(place, sink)
            try:
                yield made
            finally:
                await made.client.close()
                made.store.close()


@pytest.mark.parametrize(
    ("step", "crashed", "copies"),
    [
        ("greeting", False, 1),
        ("EHLO", False, 1),
        ("MAIL", True, 1),
        ("RCPT", True, 1),
        ("DATA", True, 1),
        ("dot", True, 2),
    ],
)
async def test_killed_at_any_step_a_worker_loses_nothing(tmp_path, step, crashed, copies):
    """Security §3.7: the claim is free within ten seconds, and only after the final dot there may be a second copy."""
    async with scene(tmp_path, {step: [HANG, AFTERWARDS.get(step, "250 ok")]}) as made:
        (one,) = await made.submit("b@them.test")
        with made.worker() as process:
            reached = {"greeting": lambda: made.sink.connections == 1, "dot": lambda: len(made.sink.messages) == 1}
            await until(reached.get(step, lambda: step in made.sink.verbs()))
            assert made.row(one).state == "claimed"
            process.kill()
            process.wait()
        started = time.monotonic()
        with made.worker():
            await until(lambda: made.row(one).state == "done", 10)
        assert time.monotonic() - started < 10
        assert len(made.sink.messages) == copies
        assert made.row(one).attempts == (2 if crashed else 1)
        assert ("duplicate-possible" in made.reasons("b@them.test")) == (step == "dot")


async def test_a_sibling_takes_over_the_claims_of_the_dead(tmp_path):
    async with scene(tmp_path, {"MAIL": [HANG, "250 ok"]}) as made:
        (one,) = await made.submit("b@them.test")
        with made.worker() as first:
            await until(lambda: "MAIL" in made.sink.verbs())
            with made.worker():
                first.kill()
                first.wait()
                await until(lambda: made.row(one).state == "done", 10)


async def test_without_redis_mail_goes_out_within_ten_seconds(tmp_path):
    async with scene(tmp_path) as made:
        with made.worker():
            await until(lambda: "redis-down" in made.log())
            started = time.monotonic()
            (one,) = await made.submit("b@them.test")
            await until(lambda: made.row(one).state == "done", 10)
            assert time.monotonic() - started < 10
        assert made.log().count("redis-down") == 1


async def test_a_term_ends_the_worker_and_gives_everything_back(tmp_path):
    async with scene(tmp_path, {"dot": HANG}) as made:
        ids = [(await made.submit(f"r{number}@them.test"))[0] for number in range(5)]
        with made.worker() as process:
            await until(lambda: len(made.sink.messages) == 1)
            process.terminate()
            await until(lambda: [made.row(one).state for one in ids].count("due") == 4)
            # The one whose final dot is out is waited for, up to a minute.
            assert process.poll() is None and [made.row(one).state for one in ids].count("claimed") == 1
            made.sink.released.set()
            await until(lambda: process.poll() is not None)
            assert process.returncode == 0
        assert {made.row(one).state for one in ids} == {"due"}
        assert not list((made.place.settings.workers_dir).glob("*.lock"))


async def test_a_keeper_that_restarts_costs_a_delay_and_nothing_else(tmp_path):
    place = KeeperFolder.make(tmp_path / "b")
    async with running_sink({"dot": HANG}) as sink:
        with place.running():
            made = Scene(place, sink)
            (one,) = await made.submit("b@them.test")
            await made.client.close()
            worker = made.worker()
            worker.__enter__()
            await until(lambda: len(sink.messages) == 1)
        sink.answers["dot"] = "250 ok"
        sink.released.set()
        with place.running():
            await until(lambda: made.row(one).state == "due")
        worker.__exit__(None, None, None)
        made.store.close()
    assert len(sink.messages) == 1
