import pytest

from mail.address import Address
from mail.deliver.hosts import ADDRESSES_MAX, HOSTS_MAX, Finder, Host, Unroutable, is_own_address, simulated
from mail.dns.fake import FakeResolver

PUBLIC = {"A one.test": ["1.1.1.1"], "A two.test": ["1.1.1.2"], "A three.test": ["1.1.1.3"]}


def finder(zone, *, own=(), failing=(), secure=()) -> Finder:
    resolver = FakeResolver(zone, failing=failing, secure=secure)
    return Finder(resolver, "us.test", lambda ip: ip in own, shuffle=lambda exchangers: exchangers.reverse())


async def names(zone, domain="them.test", **more) -> list[str]:
    return [host.name for host in await finder(zone, **more).find(domain)]


async def refused(zone, domain="them.test", **more) -> tuple[int, str]:
    with pytest.raises(Unroutable) as error:
        await finder(zone, **more).find(domain)
    assert error.value.reply.ours
    return error.value.reply.code, error.value.reply.enhanced


async def test_exchangers_are_tried_by_preference():
    zone = {**PUBLIC, "MX them.test": ["30 three.test.", "10 one.test.", "20 two.test."]}
    assert await names(zone) == ["one.test", "two.test", "three.test"]


async def test_equals_are_shuffled():
    zone = {**PUBLIC, "MX them.test": ["10 one.test.", "10 two.test.", "5 three.test."]}
    assert await names(zone) == ["three.test", "two.test", "one.test"]


async def test_a_domain_without_mx_is_its_own_exchanger():
    assert await finder({"A them.test": ["1.1.1.1"]}).find("them.test") == [Host("them.test", ("1.1.1.1",))]


async def test_a_null_mx_takes_no_mail_for_good():
    assert await refused({"MX them.test": ["0 ."], "A them.test": ["1.1.1.1"]}) == (556, "5.1.10")


async def test_a_null_mx_beside_others_is_left_out():
    assert await names({**PUBLIC, "MX them.test": ["0 .", "10 one.test."]}) == ["one.test"]


async def test_records_that_cannot_be_read_are_left_out():
    assert await names({**PUBLIC, "MX them.test": ["nonsense", "10 one.test."]}) == ["one.test"]
    assert await refused({"MX them.test": ["nonsense"]}) == (451, "4.4.4")


async def test_a_domain_that_does_not_exist_is_an_error_at_once():
    assert await refused({}) == (550, "5.1.2")


async def test_a_domain_without_any_address_is_tried_again():
    assert await refused({"TXT them.test": ["x"]}) == (451, "4.4.4")
    assert await refused({"MX them.test": ["10 gone.test."]}) == (451, "4.4.4")


async def test_a_dns_that_does_not_answer_is_temporary_whatever_else_is_known():
    assert await refused({}, failing={"MX them.test"}) == (451, "4.4.3")
    zone = {"MX them.test": ["10 one.test.", "20 two.test."], "A two.test": ["10.0.0.1"]}
    assert await refused(zone, failing={"A one.test"}) == (451, "4.4.3")
    assert await refused({}, failing={"A them.test"}) == (451, "4.4.3")


async def test_an_exchanger_whose_addresses_are_not_known_now_is_passed_over():
    zone = {**PUBLIC, "MX them.test": ["10 one.test.", "20 two.test."]}
    assert await names(zone, failing={"A one.test", "AAAA one.test"}) == ["two.test"]


async def test_aliases_are_followed():
    zone = {"CNAME them.test": ["real.test."], "MX real.test": ["10 one.test."], **PUBLIC}
    assert await names(zone) == ["one.test"]


async def test_a_circle_of_aliases_is_temporary():
    assert await refused({"CNAME them.test": ["them.test."]}) == (451, "4.4.3")


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0", "10.0.0.1", "192.168.0.1", "169.254.169.254"])
async def test_private_addresses_are_refused_unless_allowed(ip):
    """Security OU-2."""
    zone = {"MX them.test": ["10 one.test."], "A one.test": [ip]}
    assert await refused(zone) == (550, "5.4.4")
    assert await finder(zone).find("them.test", private_allowed=True) == [Host("one.test", (ip,))]


async def test_only_the_public_addresses_of_a_host_are_used():
    zone = {"A them.test": ["10.0.0.1", "1.1.1.1"], "AAAA them.test": ["::1"]}
    assert (await finder(zone).find("them.test"))[0].ips == ("1.1.1.1",)


async def test_mail_is_not_sent_in_circles():
    """RFC 5321 §5.1: when we are an exchanger, only better ones are asked."""
    zone = {**PUBLIC, "MX them.test": ["10 one.test.", "20 us.test.", "20 two.test.", "30 three.test."]}
    zone["A us.test"] = ["1.1.1.9"]
    assert await names(zone) == ["one.test"]
    by_address = {**PUBLIC, "MX them.test": ["10 one.test.", "20 alias-of-us.test."], "A alias-of-us.test": ["1.1.1.9"]}
    assert await names(by_address, own={"1.1.1.9"}) == ["one.test"]


async def test_an_exchanger_that_is_this_host_alone_is_a_loop():
    assert await refused({"A them.test": ["1.1.1.9"]}, own={"1.1.1.9"}) == (550, "5.4.6")
    assert await refused({"MX them.test": ["10 us.test."], "A us.test": ["1.1.1.9"]}) == (550, "5.4.6")


async def test_both_families_take_turns():
    zone = {"A h.test": ["1.1.1.1", "1.1.1.2", "1.1.1.3"], "AAAA h.test": ["2606:4700::1", "2606:4700::2"]}
    (host,) = await finder(zone).find("h.test")
    assert host.ips == ("2606:4700::1", "1.1.1.1", "2606:4700::2", "1.1.1.2") and len(host.ips) == ADDRESSES_MAX
    (host,) = await finder(zone).find("h.test", ipv4_first=True)
    assert host.ips[:2] == ("1.1.1.1", "2606:4700::1")
    (host,) = await finder(zone).find("h.test", ip_first="1.1.1.3")
    assert host.ips[:2] == ("1.1.1.3", "2606:4700::1") and len(host.ips) == ADDRESSES_MAX
    (host,) = await finder(zone).find("h.test", ip_first="9.9.9.9")
    assert "9.9.9.9" not in host.ips


@pytest.mark.parametrize(("literal", "ip"), [("[1.1.1.1]", "1.1.1.1"), ("[IPv6:2606:4700::1]", "2606:4700::1")])
async def test_an_address_literal_is_its_own_host(literal, ip):
    assert await finder({}).find(literal) == [Host(ip, (ip,))]


async def test_a_private_address_literal_is_refused():
    for literal in ("[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:10.0.0.1]"):
        assert await refused({}, literal) == (550, "5.4.4")


async def test_a_domain_with_hundreds_of_exchangers_costs_a_bounded_number_of_questions():
    zone = {"MX them.test": [f"{number} h{number}.test." for number in range(300)]}
    zone |= {f"A h{number}.test": ["1.1.1.1"] for number in range(300)}
    found = finder(zone)
    assert len(await found.find("them.test")) == HOSTS_MAX
    assert len(found.resolver.asked) < 4 * HOSTS_MAX  # type: ignore[attr-defined]


async def test_hundreds_of_exchangers_without_an_address_are_not_all_asked():
    zone = {"MX them.test": [f"{number} h{number}.test." for number in range(300)]}
    found = finder(zone)
    with pytest.raises(Unroutable):
        await found.find("them.test")
    assert len(found.resolver.asked) < 100  # type: ignore[attr-defined]


async def tlsa_names(zone, *secure, domain="them.test") -> tuple[tuple[str, ...], tuple[str, ...]]:
    (host,) = await finder(zone, secure=secure).find(domain)
    return host.tlsa_names, host.next_hop


async def test_dane_is_possible_where_exchangers_and_addresses_are_vouched_for():
    """RFC 7672 §2.2."""
    zone = {"MX them.test": ["10 one.test."], "A one.test": ["1.1.1.1"]}
    assert await tlsa_names(zone, "MX them.test", "AAAA one.test", "A one.test") == (("one.test",), ("them.test",))
    assert await tlsa_names(zone, "A one.test") == ((), ())
    assert await tlsa_names(zone, "MX them.test") == ((), ())
    none = {"A them.test": ["1.1.1.1"]}
    assert await tlsa_names(none, "MX them.test", "A them.test") == (("them.test",), ("them.test",))
    assert await tlsa_names(none, "A them.test") == ((), ())


async def test_an_exchanger_that_is_an_alias_has_its_records_where_the_chain_ends_or_begins():
    zone = {"MX them.test": ["10 mx.test."], "CNAME mx.test": ["one.test."], "A one.test": ["1.1.1.1"]}
    all_of_it = ("MX them.test", "A mx.test", "A one.test", "CNAME mx.test")
    assert (await tlsa_names(zone, *all_of_it))[0] == ("one.test", "mx.test")
    assert (await tlsa_names(zone, "MX them.test", "CNAME mx.test"))[0] == ("mx.test",)
    assert (await tlsa_names(zone, "MX them.test"))[0] == ()
    aliased = {"CNAME them.test": ["real.test."], "MX real.test": ["10 one.test."], "A one.test": ["1.1.1.1"]}
    secure = ("MX them.test", "MX real.test", "A one.test")
    assert await tlsa_names(aliased, *secure) == (("one.test",), ("them.test", "real.test"))


def test_our_own_addresses_are_known():
    assert is_own_address("127.0.0.1")
    assert not is_own_address("192.0.2.77")
    assert not is_own_address("no address")


@pytest.mark.parametrize(
    ("localpart", "code"),
    [
        ("queuepermerror", 550),
        ("queue-x-temperror", 451),
        ("QUEUE451", 451),
        ("queue599", 599),
        ("queue399", None),
        ("queue600", None),
        ("queue²²²", None),
        ("queue", None),
        ("permerror", None),
        ("x451", None),
    ],
)
def test_the_local_bundle_simulates_failures_in_the_queue(localpart, code):
    reply = simulated(Address(localpart, "them.test"))
    assert (reply.code if reply else None) == code
