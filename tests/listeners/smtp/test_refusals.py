"""Refusals on their way to a keeper that takes them, is away, or will not have them."""

import os
from pathlib import Path
from typing import Any

import pytest

from listeners.smtp import refusals
from listeners.smtp.refusals import Refusals
from mail.errors import Bug, Invalid, MailError, StorageFault, Unavailable
from mail.log import Log
from mail.receive.refusals import Refusal


class Keeper:
    """Takes refusals, or fails as it is told to."""

    def __init__(self) -> None:
        self.failing: MailError | None = None
        self.told: list[str] = []
        self.calls = 0

    async def call(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        assert verb == "refused"
        self.calls += 1
        if self.failing is not None:
            raise self.failing
        self.told += [Refusal.from_json(one).rcpt_to for one in args["refusals"]]
        return {}


class Desk:
    def __init__(self, path: Path) -> None:
        self.keeper = Keeper()
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.refusals = Refusals(self.keeper, Log(descriptor=self._descriptor))  # type: ignore[arg-type]

    def add(self, *recipients: str) -> None:
        for one in recipients:
            who = (1_800_000_000_000, "c" * 16, "192.0.2.1", "client.example", "x@far.example", one)
            self.refusals.add(Refusal(*who, 451, "4.3.0", "storage fault", "not-stored"))

    def logged(self, event: str) -> int:
        return self._path.read_text().count(f'"{event}"')

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(refusals, "KEPT", 3)
    made = Desk(tmp_path / "log")
    yield made
    made.close()


@pytest.mark.parametrize("error", [Unavailable("away"), StorageFault("EIO")])
async def test_they_wait_while_the_keeper_cannot_take_them(desk: Desk, error: MailError):
    desk.add("a", "b")
    desk.keeper.failing = error
    for _ in range(3):
        await desk.refusals.flush()
    desk.add("c")
    assert desk.logged("refusals-wait") == 1, "said once, not every second"
    desk.keeper.failing = None
    await desk.refusals.flush()
    await desk.refusals.flush()
    assert (desk.keeper.told, desk.keeper.calls) == (["a", "b", "c"], 4)


async def test_no_more_wait_than_the_bound_and_the_rest_is_counted(desk: Desk):
    desk.keeper.failing = Unavailable("away")
    desk.add("a", "b")
    await desk.refusals.flush()
    desk.add("c", "d", "e")
    desk.keeper.failing = None
    await desk.refusals.flush()
    assert desk.keeper.told == ["a", "b", "c"] and desk.logged("refusals-not-traced") == 1


@pytest.mark.parametrize("error", [Invalid("refusal"), Bug("batch")])
async def test_what_the_keeper_will_not_have_holds_up_nobody(desk: Desk, error: MailError):
    desk.add("a")
    desk.keeper.failing = error
    await desk.refusals.flush()
    desk.keeper.failing = None
    desk.add("b")
    await desk.refusals.flush()
    assert desk.keeper.told == ["b"] and desk.logged("refusals-not-traced") == 1


async def test_without_refusals_the_keeper_is_left_alone(desk: Desk):
    await desk.refusals.flush()
    assert desk.keeper.calls == 0
