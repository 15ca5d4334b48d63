import asyncio
from dataclasses import replace

import pytest

from mail.deliver.outcome import Verdict, judge
from mail.errors import Bug, CannotSign, Unavailable
from mail.queue.tls_result import TlsResult
from mail.smtp.reply_reader import Reply
from mail.smtp.wire import ConversationFailed
from mail.store import queue, tls_results
from tests.post_office import PostOffice
from workers.settling import OUTCOMES_MAX, OWED_MAX, FinalDots, Settler, _batch

NEVER = Reply(550, ("5.1.1 unknown",))
OK = Reply(250, ("2.0.0 ok",))


async def claims(office: PostOffice, *to: str):
    for one in to:
        await office.submit(one)
    with office.store.write() as tx:
        return queue.claim(tx, "w", office.clock.wall_ms(), 1000)


def judged(office, claimed, reply):
    return [judge(Verdict(one, reply), office.clock.wall_ms(), delay_after_ms=1, jitter=0) for one in claimed]


async def settle_all(office, judged, services=None) -> list[int]:
    counts: list[int] = []
    settler = Settler(services or office.services(1), counts.append)
    settler.add(judged)
    running = asyncio.ensure_future(settler.run())
    async with asyncio.timeout(20):
        while sum(counts) < len(judged):
            await asyncio.sleep(0.01)
    running.cancel()
    return counts


async def test_outcomes_that_wait_together_are_one_call(office):
    claimed = await claims(office, *(f"r{number}@them.test" for number in range(30)))
    office.calls.clear()
    assert await settle_all(office, judged(office, claimed, OK)) == [30]
    assert office.calls == ["settle"]
    assert {office.row(one.id).state for one in claimed} == {"done"}


async def test_a_call_carries_only_so_many_notices(office):
    claimed = await claims(office, *(f"r{number}@them.test" for number in range(OWED_MAX + 4)))
    assert await settle_all(office, judged(office, claimed, NEVER)) == [OWED_MAX, 4]
    assert len(office.inbox()) == OWED_MAX + 4


async def test_how_many_fit_into_one_call(office):
    (claimed,) = await claims(office, "b@them.test")
    done, owed = judged(office, [claimed], OK) * 500, judged(office, [claimed], NEVER) * 500
    assert _batch(done) == OUTCOMES_MAX
    assert _batch(owed) == OWED_MAX
    assert _batch(done[:100] + owed) == 100 + OWED_MAX
    assert _batch(owed[:1]) == 1


async def test_an_outcome_the_keeper_can_never_take_does_not_hold_up_the_others(office):
    claimed = await claims(office, "b@them.test", "bad@them.test", "d@them.test")
    original = office.call

    async def call(verb, args, fds=()):
        if any(one["queue_recipient_id"] == claimed[1].id for one in args["outcomes"]):
            raise Bug("cannot be")
        return await original(verb, args, fds)

    office.call = call
    await settle_all(office, judged(office, claimed, OK))
    assert [office.row(one.id).state for one in claimed] == ["done", "claimed", "done"]
    assert "settle-impossible" in (office.folder / "log").read_text()


async def notices_out(office, sign_notice) -> list[bytes]:
    """What is put on top of a notice to somebody elsewhere, and of one to a user."""
    out, home = await claims(office, "b@them.test", "c@them.test")
    owed = judged(office, [replace(out, return_to="ann@far.test"), home], NEVER)
    await settle_all(office, owed, office.services(1, sign_notice=sign_notice))
    assert len(office.inbox()) == 1 and b"DKIM-Signature" not in office.inbox()[0]
    with office.store.read() as connection:
        return connection.exec_driver_sql("SELECT prefix FROM queue_message WHERE mail_from = ''").scalars().all()


async def test_a_notice_that_leaves_is_signed(office):
    async def sign(octets: bytes) -> bytes:
        assert b"From: Mail delivery <postmaster@us.test>" in octets
        return b"DKIM-Signature: x\r\n"

    (prefix,) = await notices_out(office, sign)
    assert prefix.startswith(b"DKIM-Signature: x\r\nReceived: by us.test")


async def test_an_outcome_does_not_wait_for_a_notice_that_cannot_be_signed(office):
    async def sign(octets: bytes) -> bytes:
        raise CannotSign("sign is away")

    (prefix,) = await notices_out(office, sign)
    assert prefix.startswith(b"Received: by us.test")
    assert "notice-unsigned" in (office.folder / "log").read_text()


async def test_a_settled_outcome_that_is_told_again_changes_nothing(office):
    """The answer of the keeper may be lost: the same outcomes come again."""
    claimed = await claims(office, "b@them.test")
    for _ in range(2):
        await settle_all(office, judged(office, claimed, NEVER))
    assert len(office.inbox()) == 1 and office.row(claimed[0].id).state == "failed"


async def test_final_dots_that_wait_together_share_a_commit(office):
    claimed = await claims(office, *(f"r{number}@them.test" for number in range(20)))
    office.calls.clear()
    dots = FinalDots(office)
    await asyncio.gather(*(dots.entering([one.id]) for one in claimed))
    assert 1 <= len(office.calls) <= 2 and set(office.calls) == {"entering"}
    with office.store.read() as connection:
        phases = connection.exec_driver_sql("SELECT DISTINCT phase FROM queue_recipient").scalars().all()
    assert phases == ["data-end"]


async def test_no_final_dot_without_the_keeper(office):
    office.down = True
    dots = FinalDots(office)
    found = await asyncio.gather(*(dots.entering([number]) for number in range(3)), return_exceptions=True)
    assert all(isinstance(one, ConversationFailed) for one in found)
    office.down = False
    await dots.entering([1])


async def test_a_waiter_that_was_cancelled_disturbs_nobody(office):
    dots = FinalDots(office)
    first, second = (asyncio.ensure_future(dots.entering([number])) for number in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_unavailable_is_waited_for(office, monkeypatch):
    monkeypatch.setattr("workers.settling.RETRY_SECONDS", 0.02)
    claimed = await claims(office, "b@them.test")
    original, failures = office.call, [1, 1]

    async def call(verb, args, fds=()):
        if failures:
            failures.pop()
            raise Unavailable("restarting")
        return await original(verb, args, fds)

    office.call = call
    await settle_all(office, judged(office, claimed, OK))
    assert (office.folder / "log").read_text().count("settle-deferred") == 1


async def test_what_tls_came_to_is_stored_with_the_outcomes(office):
    first, second = judged(office, await claims(office, "b@them.test", "c@them.test"), OK)
    result = TlsResult(20_270_115, "them.test", "them.test", False, "no-policy-found")
    office.calls.clear()
    await settle_all(office, [replace(first, tls=(result, result)), second])
    assert office.calls == ["settle"]
    with office.store.read() as connection:
        assert tls_results.of_day(connection, 20_270_115) == [replace(result, sessions=2)]


async def test_long_policies_do_not_make_a_call_too_long(office):
    (claimed,) = await claims(office, "b@them.test")
    (one,) = judged(office, [claimed], OK)
    long = TlsResult(20_270_115, "them.test", "them.test", False, "sts", ("x" * 8000,), ("y" * 8000,))
    assert _batch([replace(one, tls=(long,) * 20)] * 5) == 1
    assert _batch([replace(one, tls=(long,))] * 50) < 20
