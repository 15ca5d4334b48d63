import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail import iprev
from mail.dns.fake import FakeResolver

PTR4 = "PTR 3.2.0.192.in-addr.arpa"
PTR6 = "PTR 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


async def test_a_name_that_leads_back_is_a_pass():
    resolver = FakeResolver(
        {PTR4: ["other.test.", "MX.test."], "A other.test": ["192.0.2.9"], "A mx.test": ["192.0.2.9", "192.0.2.3"]}
    )
    result = await iprev.verify(resolver, "192.0.2.3")
    assert (result.result, result.name, result.names) == ("pass", "mx.test", ("other.test", "mx.test"))


async def test_ipv6_asks_for_aaaa_and_ipv4_in_ipv6_clothes_for_a():
    zone = {PTR6: ["six.test."], "AAAA six.test": ["2001:DB8:0::1"], PTR4: ["four.test."], "A four.test": ["192.0.2.3"]}
    for ip, name in (("2001:db8::1", "six.test"), ("::ffff:192.0.2.3", "four.test"), ("2001:db8::1%eth0", "six.test")):
        resolver = FakeResolver(zone)
        assert (await iprev.verify(resolver, ip)).name == name
        assert len(resolver.asked) == 2


@pytest.mark.parametrize(
    ("zone", "failing", "result", "name"),
    [
        ({}, (), "permerror", ""),
        ({"TXT 3.2.0.192.in-addr.arpa": ["x"]}, (), "permerror", ""),
        ({}, (PTR4,), "temperror", ""),
        ({PTR4: ["mx.test."], "A mx.test": ["192.0.2.4", "nonsense"]}, (), "fail", "mx.test"),
        ({PTR4: ["mx.test."]}, (), "fail", "mx.test"),
        ({PTR4: ["mx.test."]}, ("A mx.test",), "temperror", "mx.test"),
        ({PTR4: ["down.test.", "mx.test."], "A mx.test": ["192.0.2.3"]}, ("A down.test",), "pass", "mx.test"),
        ({PTR4: ["[192.0.2.3].", ".", "a..b.", "a b.test.", "x" * 64 + ".test."]}, (), "fail", ""),
    ],
)
async def test_each_trouble_has_its_result(zone, failing, result, name):
    found = await iprev.verify(FakeResolver(zone, failing=failing), "192.0.2.3")
    assert (found.result, found.name) == (result, name)
    assert found.detail


async def test_no_more_than_ten_names_are_looked_at():
    zone = {PTR4: [f"n{number}.test." for number in range(1000)], "A n10.test": ["192.0.2.3"]}
    resolver = FakeResolver(zone)
    result = await iprev.verify(resolver, "192.0.2.3")
    assert result.result == "fail" and len(result.names) == 10 and len(resolver.asked) == 11


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=3))
async def test_whatever_the_dns_says_there_is_a_result(names, addresses):
    zone = {PTR4: names} | {f"A {name}": addresses for name in names}
    assert (await iprev.verify(FakeResolver(zone), "192.0.2.3")).result in ("pass", "fail", "permerror")
