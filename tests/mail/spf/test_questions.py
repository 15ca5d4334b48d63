import pytest

from mail.dns.fake import FakeResolver
from mail.now import SetClock
from mail.spf.client import Client
from mail.spf.questions import Ends, Questions


def questions(resolver: FakeResolver, clock: SetClock) -> Questions:
    return Questions(resolver, Client("192.0.2.3"), clock, 20.0)


async def test_no_records_are_an_answer_and_a_failure_ends_the_check(clock: SetClock):
    asks = questions(FakeResolver({"A a.test": ["192.0.2.1"]}, failing={"A b.test"}), clock)
    assert await asks.ask("a.test", "A") == ("192.0.2.1",)
    assert await asks.ask("nowhere.test", "A") == ()
    with pytest.raises(Ends) as end:
        await asks.ask("b.test", "A")
    assert end.value.result == "temperror" and "b.test" in end.value.problem


async def test_the_thirty_first_question_ends_the_check_for_good(clock: SetClock):
    resolver = FakeResolver()
    asks = questions(resolver, clock)
    for number in range(30):
        await asks.ask(f"n{number}.test", "A")
    await asks.ask("N0.test", "A")
    with pytest.raises(Ends) as end:
        await asks.ask("n30.test", "A")
    assert end.value.result == "permerror" and len(resolver.asked) == 31


async def test_the_time_ends_the_check_until_later(clock: SetClock):
    asks = questions(FakeResolver(), clock)
    clock.move(20)
    with pytest.raises(Ends) as end:
        await asks.ask("a.test", "A")
    assert end.value.result == "temperror"


def test_the_eleventh_term_and_the_third_void_one_end_the_check(clock: SetClock):
    asks = questions(FakeResolver(), clock)
    for _ in range(10):
        asks.count_term()
    with pytest.raises(Ends, match="more than 10 terms"):
        asks.count_term()
    for _ in range(2):
        asks.count_void()
    with pytest.raises(Ends, match="more than 2 terms"):
        asks.count_void()


async def test_names_of_the_client_are_those_that_lead_back_among_the_first_ten(clock: SetClock):
    names = ["down.test.", "other.test.", "", "MX.test.", *(f"n{number}.test." for number in range(20)), "late.test."]
    zone = {"PTR 3.2.0.192.in-addr.arpa": names, "A other.test": ["192.0.2.4"]}
    zone |= {f"A {name}": ["192.0.2.3"] for name in ("mx.test", "n5.test", "late.test")}
    resolver = FakeResolver(zone, failing={"A down.test"})
    asks = questions(resolver, clock)
    assert await asks.client_names() == ["MX.test", "n5.test"]
    assert await asks.client_names() == ["MX.test", "n5.test"] and len(resolver.asked) <= 11


async def test_a_client_without_a_name_in_time_has_none(clock: SetClock):
    resolver = FakeResolver(failing={"PTR 3.2.0.192.in-addr.arpa"})
    assert await questions(resolver, clock).client_names() == []


async def test_more_than_ten_exchangers_end_the_check_and_a_null_mx_is_none(clock: SetClock):
    zone = {
        "MX ten.test": [f"10 mx{number}.test." for number in range(10)],
        "MX many.test": [f"10 mx{number}.test." for number in range(1000)],
        "MX null.test": ["0 ."],
        "MX odd.test": ["nonsense", "10 a..b.", "10 fine.test."],
    }
    asks = questions(FakeResolver(zone), clock)
    assert len(await asks.exchangers("ten.test")) == 10
    assert await asks.exchangers("null.test") == []
    assert await asks.exchangers("odd.test") == ["fine.test"]
    with pytest.raises(Ends) as end:
        await asks.exchangers("many.test")
    assert end.value.result == "permerror"
