import asyncio
import os
from pathlib import Path

import pytest

from mail.config.settings import Settings
from mail.deliver.dial import Dialer
from mail.deliver.hosts import Finder
from mail.deliver.plan import Plan, Routes
from mail.dns.fake import FakeResolver
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SetClock
from mail.smtp.client import Timers
from mail.smtp.reply_reader import local_reply
from mail.store.blobs import BlobStore
from tests.claims import claimed
from tests.deliver_sink import DROP, HANG, running_sink
from workers import connections
from workers.connections import Connections
from workers.destinations import Destination, Destinations
from workers.leases import Lease
from workers.services import Services

SHORT = Timers(connect=0.5, greeting=0.5, command=0.5, data_start=0.5, data_block=0.5, data_end=0.5)


class Keeper:
    async def call(self, verb, args, fds=()):
        assert verb == "entering"
        return {}


class Scene:
    def __init__(self, folder: Path, port: int, **given) -> None:
        self.log = folder / "log"
        self.verdicts: list[tuple[int, int]] = []
        self.grown = self.rooms = 0
        clock = SetClock()
        fields = {
            "store": None,
            "blobs": BlobStore(folder),
            "keeper": Keeper(),
            "finder": Finder(FakeResolver(), "us.test", lambda ip: False),
            "dialer": Dialer("us.test", timers=SHORT),
            "sts": None,
            "routes": Routes(),
            "lease": Lease(folder / "workers", "deliver"),
            "reaper": None,
            "clock": clock,
            "log": Log(descriptor=os.open(self.log, os.O_WRONLY | os.O_CREAT)),
            "metrics": Metrics(),
            "hostname": Settings(hostname="us.test").hostname,
            "delay_after_ms": 1,
            "is_local": lambda domain: False,
            "port": port,
        }
        self.services = Services(**{**fields, **given})
        self.plan = Plan("sink", "a test", fixed=("127.0.0.1", port), private_allowed=True)
        self.connections = Connections(self.services, self.judge, grown=self.grow, room=self.room)

    def judge(self, verdicts, *, unknown=False, tls=()) -> None:
        self.verdicts += [(one.claimed.id, one.reply.code) for one in verdicts]

    def grow(self) -> None:
        self.grown += 1

    def room(self) -> None:
        self.rooms += 1

    def destination(self, count: int, plan: Plan | None = None) -> Destination:
        waiting = Destinations()
        waiting.add(
            (plan or self.plan, claimed(f"r{number}@x.test", id=number, queue_message_id=number))
            for number in range(count)
        )
        (found,) = waiting
        found.connections = 1
        return found


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.05)


async def test_a_connection_sends_what_waits_and_says_goodbye(tmp_path):
    async with running_sink() as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(3)
        await scene.connections.run(destination)
        assert scene.verdicts == [(0, 250), (1, 250), (2, 250)]
        assert sink.connections == 1 and sink.verbs()[-1] == "QUIT"
        assert destination.limit == 4 and scene.grown == 3


async def test_it_lingers_for_what_comes_next(tmp_path):
    async with running_sink() as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(1)
        running = asyncio.ensure_future(scene.connections.run(destination))
        while not destination.idle:
            await asyncio.sleep(0)
        destination.put(scene.destination(1).take())
        await running
        assert len(sink.messages) == 2 and sink.connections == 1


async def test_when_all_stops_it_does_not_linger(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "LINGER_SECONDS", 60)
    async with running_sink() as sink:
        scene = Scene(tmp_path, sink.port)
        scene.connections.stopping = True
        await scene.connections.run(scene.destination(1))
        assert len(sink.messages) == 1


async def test_a_broken_connection_costs_one_message_its_attempt(tmp_path):
    async with running_sink({"MAIL": [DROP, "250 ok"]}) as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(3)
        destination.limit = 5
        await scene.connections.run(destination)
        assert scene.verdicts == [(0, 451)] and destination.waiting == 2 and destination.limit == 1


async def test_a_host_that_does_not_answer_decides_for_all_that_waits(tmp_path):
    async with running_sink({"greeting": "554 5.3.2 no"}) as sink:
        scene = Scene(tmp_path, sink.port)
        await scene.connections.run(scene.destination(3))
        assert scene.verdicts == [(0, 554), (1, 554), (2, 554)] and sink.connections == 1


async def test_while_another_connection_goes_on_nothing_is_given_up(tmp_path):
    async with running_sink({"greeting": "421 4.3.2 enough connections"}) as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(3)
        destination.connections = 2
        await scene.connections.run(destination)
        assert scene.verdicts == [] and destination.waiting == 3


async def test_a_name_that_cannot_be_found_is_temporary(tmp_path):
    scene = Scene(tmp_path, 1)
    plan = Plan("smarthost", "a test", fixed=("no-such-host.invalid", 25), private_allowed=True)
    await scene.connections.run(scene.destination(1, plan))
    assert scene.verdicts == [(0, 451)]


async def test_a_dns_without_end_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "LOOKUP_SECONDS", 0.05)

    class Endless:
        async def lookup(self, name, kind):
            await asyncio.Event().wait()

    scene = Scene(tmp_path, 1, finder=Finder(Endless(), "us.test", lambda ip: False))
    await scene.connections.run(scene.destination(2, Plan("x.test", "a test")))
    assert scene.verdicts == [(0, 451), (1, 451)]


async def test_a_fault_of_ours_hurts_one_message_and_is_logged(tmp_path):
    async with running_sink() as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(2)
        broken = claimed("r@x.test", id=7, octets=None, folder="20270115/00")
        destination.put_back((broken,))
        await scene.connections.run(destination)
        assert scene.verdicts == [(7, 451), (0, 250), (1, 250)]
        assert "attempt-failed" in scene.log.read_text()


async def test_room_in_a_full_destination_is_told_once(tmp_path):
    async with running_sink() as sink:
        scene = Scene(tmp_path, sink.port)
        await scene.connections.run(scene.destination(201))
        assert scene.rooms == 1


async def test_what_is_being_sent_is_written_down_and_off_again(tmp_path):
    async with running_sink({"dot": [HANG]}) as sink:
        scene = Scene(tmp_path, sink.port)
        running = asyncio.ensure_future(scene.connections.run(scene.destination(1)))
        while not sink.messages:
            await asyncio.sleep(0.01)
        (lock,) = (tmp_path / "workers").iterdir()
        assert lock.read_bytes() == b"[0]"
        sink.released.set()
        await running
        assert lock.read_bytes() == b"[]"


def test_giving_up_with_one_connection_judges_all(tmp_path):
    scene = Scene(tmp_path, 1)
    destination = scene.destination(2)
    scene.connections.give_up(destination, local_reply(451, "4.4.1", "x"))
    assert scene.verdicts == [(0, 451), (1, 451)] and not destination.jobs


async def test_a_server_that_says_not_now_gets_fewer_connections(tmp_path):
    async with running_sink({"RCPT": "451 4.7.1 greylisted"}) as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(2)
        destination.limit = 7
        await scene.connections.run(destination)
        assert destination.limit == 1
    async with running_sink({"RCPT": "550 5.1.1 unknown"}) as sink:
        scene = Scene(tmp_path, sink.port)
        destination = scene.destination(2)
        destination.limit = 7
        await scene.connections.run(destination)
        assert destination.limit == 7, "who is unknown there says nothing of the server"
