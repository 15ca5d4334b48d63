import asyncio

import pytest

from mail.dns.budget import Budget
from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed, NoRecords
from mail.now import SetClock


async def test_a_question_costs_once_whatever_came_of_it(clock: SetClock):
    resolver = FakeResolver({"A a.test": ["192.0.2.1"]}, failing={"A c.test"})
    budget = Budget(resolver, clock)
    for _ in range(3):
        assert (await budget.lookup("A.test.", "A")).records == ("192.0.2.1",)
        with pytest.raises(NoRecords) as missing:
            await budget.lookup("a.test", "MX")
        assert missing.value.exists
        with pytest.raises(LookupFailed):
            await budget.lookup("c.test", "A")
    assert budget.asked == 3 and resolver.asked == ["A a.test", "MX a.test", "A c.test"]


async def test_one_question_too_many_fails_and_those_before_still_have_answers(clock: SetClock):
    resolver = FakeResolver({f"A n{number}.test": ["192.0.2.1"] for number in range(100)})
    budget = Budget(resolver, clock)
    for number in range(60):
        await budget.lookup(f"n{number}.test", "A")
    with pytest.raises(LookupFailed):
        await budget.lookup("n60.test", "A")
    await budget.lookup("n59.test", "A")
    assert budget.asked == 60 == len(resolver.asked)


async def test_no_question_begins_after_the_time(clock: SetClock):
    resolver = FakeResolver({"A a.test": ["192.0.2.1"], "A b.test": ["192.0.2.1"]})
    budget = Budget(resolver, clock, seconds=30)
    clock.move(29.9)
    await budget.lookup("a.test", "A")
    clock.move(0.1)
    with pytest.raises(LookupFailed):
        await budget.lookup("b.test", "A")
    await budget.lookup("a.test", "A")
    assert resolver.asked == ["A a.test"]


async def test_a_question_on_its_way_is_not_counted_again(clock: SetClock):
    class Slow(FakeResolver):
        async def lookup(self, name: str, kind: str):
            await asyncio.sleep(0)
            return await super().lookup(name, kind)

    budget = Budget(Slow({"A a.test": ["192.0.2.1"]}), clock, queries=1)
    answers = await asyncio.gather(*(budget.lookup("a.test", "A") for _ in range(5)))
    assert len(answers) == 5 and budget.asked == 1


async def test_a_budget_over_a_budget_is_a_part_of_it(clock: SetClock):
    whole = Budget(FakeResolver({}), clock, queries=5)
    part = Budget(whole, clock, queries=3)
    for number in range(10):
        with pytest.raises((NoRecords, LookupFailed)):
            await part.lookup(f"n{number}.test", "A")
    assert (part.asked, whole.asked) == (3, 3)
    with pytest.raises(NoRecords):
        await whole.lookup("n0.test", "A")
    assert whole.asked == 3
