import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dns.budget import Budget
from mail.dns.fake import FakeResolver
from mail.dnsbl import Blocklists, Listing
from mail.now import SetClock

IP = "203.0.113.7"
HEALTHY = {"A 2.0.0.127.bl.test": ["127.0.0.2"]}
LISTED = HEALTHY | {"A 7.113.0.203.bl.test": ["127.0.0.4", "127.0.0.11"]}
NIBBLES = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
HEALTHY6 = {f"A 2.0.0.0.0.0.f.7.f.f.f.f.{NIBBLES}.bl.test": ["127.0.0.2"]}
LISTED6 = HEALTHY6 | {"A 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test": ["127.0.0.2"]}


async def lookup(resolver: FakeResolver, clock: SetClock, ip: str = IP) -> Listing:
    return await Blocklists(["BL.test."], resolver, clock).lookup(resolver, ip)


async def test_a_listing_comes_with_its_reason(clock: SetClock):
    zone = LISTED | {"TXT 7.113.0.203.bl.test": ["see\r\nhttps://bl.test/\xe9?ip=203.0.113.7" + "x" * 500]}
    listing = await lookup(FakeResolver(zone), clock)
    assert listing.zones == ("bl.test",) and listing.unused == ()
    assert listing.texts[0].startswith("seehttps://bl.test/?ip=203.0.113.7xxx") and len(listing.texts[0]) == 200


@pytest.mark.parametrize("failing", [(), ("TXT 7.113.0.203.bl.test",)])
async def test_a_listing_needs_no_reason(clock: SetClock, failing):
    listing = await lookup(FakeResolver(LISTED, failing=failing), clock)
    assert listing == Listing(("bl.test",), ("",), ())


async def test_who_is_not_listed_is_not_and_no_reason_is_asked_for(clock: SetClock):
    resolver = FakeResolver(HEALTHY)
    assert await lookup(resolver, clock) == Listing()
    assert resolver.asked == ["A 2.0.0.127.bl.test", "A 1.0.0.127.bl.test", "A 7.113.0.203.bl.test"]


@pytest.mark.parametrize(
    "zone",
    [
        {},
        LISTED | {"A 1.0.0.127.bl.test": ["127.0.0.2"]},
        LISTED | {"A 2.0.0.127.bl.test": ["192.0.2.1"]},
        LISTED | {"A 2.0.0.127.bl.test": ["127.255.255.254"]},
        LISTED | {"A 1.0.0.127.bl.test": ["192.0.2.1"]},
    ],
    ids=["empty", "lists everybody", "sold", "refuses us", "half sold"],
)
async def test_an_unhealthy_list_is_not_used(clock: SetClock, zone):
    resolver = FakeResolver(zone)
    lists = Blocklists(["bl.test"], resolver, clock)
    for _ in range(3):
        assert await lists.lookup(resolver, IP) == Listing(unused=("bl.test",))
    assert len(resolver.asked) <= 2


async def test_health_is_asked_for_again_after_four_hours(clock: SetClock):
    resolver = FakeResolver(HEALTHY)
    lists = Blocklists(["bl.test"], resolver, clock)
    for wait in (0, 4 * 3600 - 1, 1):
        clock.move(wait)
        await lists.lookup(resolver, IP)
    assert resolver.asked.count("A 2.0.0.127.bl.test") == 2


async def test_a_list_that_does_not_answer_is_asked_again_after_five_minutes(clock: SetClock):
    resolver = FakeResolver(LISTED, failing=["A 2.0.0.127.bl.test"])
    lists = Blocklists(["bl.test"], resolver, clock)
    for wait in (0, 299, 1):
        clock.move(wait)
        assert await lists.lookup(resolver, IP) == Listing(unused=("bl.test",))
    assert resolver.asked == ["A 2.0.0.127.bl.test"] * 2


@pytest.mark.parametrize("answer", ["127.255.255.254", "192.0.2.1", "nonsense"])
async def test_an_answer_that_is_no_listing_makes_the_list_unhealthy(clock: SetClock, answer):
    resolver = FakeResolver(HEALTHY | {"A 7.113.0.203.bl.test": ["127.0.0.2", answer]})
    lists = Blocklists(["bl.test"], resolver, clock)
    assert await lists.lookup(resolver, IP) == Listing(unused=("bl.test",))
    assert not await lists.is_healthy("bl.test")
    clock.move(4 * 3600)
    assert await lists.is_healthy("bl.test")


async def test_a_failed_question_about_a_client_says_nothing_about_the_list(clock: SetClock):
    resolver = FakeResolver(LISTED, failing=["A 7.113.0.203.bl.test"])
    lists = Blocklists(["bl.test"], resolver, clock)
    assert await lists.lookup(resolver, IP) == Listing(unused=("bl.test",))
    assert await lists.is_healthy("bl.test")


async def test_a_message_that_may_ask_no_more_does_not_make_the_list_unhealthy(clock: SetClock):
    resolver = FakeResolver(LISTED)
    lists = Blocklists(["bl.test"], resolver, clock)
    assert await lists.lookup(Budget(resolver, clock, queries=0), IP) == Listing(unused=("bl.test",))
    assert (await lists.lookup(Budget(resolver, clock, queries=2), IP)).zones == ("bl.test",)


async def test_ipv6_clients_are_looked_up_in_lists_that_are_healthy_for_ipv6(clock: SetClock):
    assert (await lookup(FakeResolver(LISTED6), clock, "2001:db8::1")).zones == ("bl.test",)
    assert (await lookup(FakeResolver(HEALTHY6), clock, "2001:db8::1")) == Listing()
    only4 = {question: answer for question, answer in LISTED6.items() if question not in HEALTHY6} | HEALTHY
    assert (await lookup(FakeResolver(only4), clock, "2001:db8::1")).unused == ("bl.test",)
    assert (await lookup(FakeResolver(LISTED), clock, f"::ffff:{IP}")).zones == ("bl.test",)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.0.0.2",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ]
    + ["::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1"],
)
async def test_private_and_local_clients_are_never_looked_up(clock: SetClock, ip):
    resolver = FakeResolver(HEALTHY)
    assert await lookup(resolver, clock, ip) == Listing()
    assert resolver.asked == []


async def test_local_clients_are_looked_up_where_all_are_local(clock: SetClock):
    resolver = FakeResolver(HEALTHY | {"A 9.8.7.127.bl.test": ["127.0.0.2"]})
    lists = Blocklists(["bl.test"], resolver, clock, with_local_clients=True)
    assert (await lists.lookup(resolver, "127.7.8.9")).zones == ("bl.test",)


async def test_each_list_is_asked_in_order(clock: SetClock):
    zone = LISTED | {"A 2.0.0.127.b2.test": ["127.0.0.2"], "A 7.113.0.203.b2.test": ["127.0.0.9"]}
    resolver = FakeResolver(zone)
    listing = await Blocklists(["b2.test", "bad.test", "bl.test"], resolver, clock).lookup(resolver, IP)
    assert listing == Listing(("b2.test", "bl.test"), ("", ""), ("bad.test",))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(max_size=20) | st.ip_addresses().map(str), max_size=3), st.lists(st.text(max_size=30), max_size=2)
)
async def test_whatever_a_list_answers_there_is_a_listing(addresses, texts):
    resolver = FakeResolver(LISTED | {"A 7.113.0.203.bl.test": addresses, "TXT 7.113.0.203.bl.test": texts})
    listing = await lookup(resolver, SetClock())
    assert len(listing.zones) + len(listing.unused) <= 1
    assert all(text.isascii() and text.isprintable() for text in listing.texts)
