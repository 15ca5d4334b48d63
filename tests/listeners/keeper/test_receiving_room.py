"""The room there is for mail from strangers, shared by the messages of one batch."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from listeners.keeper.committer import Committer
from mail.errors import OverQuota
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import accounts, incoming, usage
from mail.store.changes import changing
from mail.store.engine import Store
from tests.keeper_office import Office, arriving, asked, letter
from tests.listeners.keeper.test_receiving import ANN, BOB, LISTED, code, set_quota, traced


@pytest.fixture
async def waiting(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Whose committer has not begun: what is asked until then is one batch. And none may be written twice."""

    def twice(*_: object) -> None:
        raise AssertionError("the batch was rolled back")

    monkeypatch.setattr(Committer, "_write_apart", twice)
    made = Office(store, tmp_path, clock)
    yield made
    made.close()


async def in_one_batch(office: Office, *wanted: Coroutine[Any, Any, dict[str, Any]]) -> list[Any]:
    tasks = [asyncio.create_task(one) for one in wanted]
    while len(office.committer._waiting) < len(wanted):
        await asyncio.sleep(0)
    office.start()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert office.committer.batches == 1 and office.wrong() == []
    return answers


def received(office: Office, octets: bytes, *recipients: str, **more: Any) -> Coroutine[Any, Any, dict[str, Any]]:
    return asked(office, "receive", arriving(octets, *recipients, **more), octets)


async def test_messages_of_one_batch_share_the_room_there_is(waiting: Office) -> None:
    size = 2000
    set_quota(waiting, waiting.ann, 6 * size)
    bodies = [letter(number, size) for number in range(8)]
    asking = [received(waiting, one, ANN if number < 7 else BOB) for number, one in enumerate(bodies)]
    answers = await in_one_batch(waiting, *asking)
    # All the room is used, and who found none was told so when it was decided.
    assert [(code(one), one["reason"]) for one in answers] == [
        *[(250, "no-bad-signals")] * 6,
        (452, "over-quota"),
        (250, "no-bad-signals"),
    ]
    with waiting.store.read() as connection:
        held = usage.usage(connection, waiting.ann).size
    fields = sum(len(octets) - size for _, octets in waiting.stored(waiting.ann))
    assert held == 6 * size + fields, "above the quota by what we put in front, and by no more"
    assert [row.reason for row in traced(waiting, ANN) if row.verdict == "refused"] == ["over-quota"]


async def test_two_copies_for_one_account_need_room_for_both(waiting: Office) -> None:
    octets = letter(1, 2000)
    with changing(waiting.store, None, clock=waiting.clock) as changes:
        rule = '{"msg_from":"zoe","mailbox":"Lists"}'
        incoming.add_ruleset(changes.tx, "ann.too@a.example", rule, incoming.json_object)
        accounts.change_address(changes.tx, "ann.too@a.example", mailbox="Other")
    waiting.tables.reload()
    set_quota(waiting, waiting.ann, 2 * len(octets))
    (answer,) = await in_one_batch(waiting, received(waiting, octets, ANN, "ann.too@a.example"))
    assert code(answer) == 250
    assert len(waiting.stored(waiting.ann)) == len(waiting.stored(waiting.ann, "Lists")) == 1


async def test_a_copy_kept_in_rejects_takes_room_from_who_comes_after(waiting: Office) -> None:
    set_quota(waiting, waiting.ann, 4000)
    first, second = letter(1, 2000), letter(2, 2001)
    junk = received(waiting, first, ANN, facts=LISTED)
    answers = await in_one_batch(waiting, junk, received(waiting, second, ANN))
    assert [(code(one), one["reason"]) for one in answers] == [(451, "dns-blocklisted"), (452, "over-quota")]


async def test_one_that_finds_no_room_any_more_leaves_its_neighbours(waiting: Office) -> None:
    set_quota(waiting, waiting.ann, 3000)
    body, mine = letter(1, 2000), letter(3, 2000)
    summaries = [{"size": len(mine), "received_at": 1, "summary": summarize(mine).as_json()}]
    append = asked(waiting, "append", {"account_id": waiting.ann, "mailbox": "Inbox", "messages": summaries}, mine)
    answers = await in_one_batch(waiting, append, received(waiting, body, ANN), received(waiting, letter(2), BOB))
    assert isinstance(answers[1], OverQuota) and code(answers[2]) == 250
    assert waiting.stored(waiting.ann) == [(1, mine)] and len(waiting.stored(waiting.bob)) == 1
