import pytest

from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed, NoRecords


async def test_records_are_found_whatever_the_case_and_the_final_dot():
    resolver = FakeResolver({"MX A.example.": ["10 mx.a.example."]}, secure={"MX a.example"})
    answer = await resolver.lookup("a.EXAMPLE", "MX")
    assert (answer.records, answer.secure, answer.name) == (("10 mx.a.example.",), True, "a.example")
    assert resolver.asked == ["MX a.example"]


async def test_the_four_statuses_are_kept_apart():
    resolver = FakeResolver({"A a.test": ["192.0.2.1"]}, failing={"A c.test"})
    assert (await resolver.lookup("a.test", "A")).records == ("192.0.2.1",)
    with pytest.raises(NoRecords) as nodata:
        await resolver.lookup("a.test", "MX")
    assert nodata.value.exists
    with pytest.raises(NoRecords) as nxdomain:
        await resolver.lookup("b.test", "A")
    assert not nxdomain.value.exists
    with pytest.raises(LookupFailed):
        await resolver.lookup("c.test", "A")


async def test_a_cname_is_followed_and_named_and_is_secure_only_if_all_of_it_is():
    zone = {"CNAME a.test": ["b.test."], "A b.test": ["192.0.2.1"]}
    answer = await FakeResolver(zone, secure={"A b.test"}).lookup("a.test", "A")
    assert (answer.records, answer.name, answer.secure) == (("192.0.2.1",), "b.test", False)
    assert (await FakeResolver(zone, secure={"A a.test", "A b.test"}).lookup("a.test", "A")).secure


async def test_a_circle_of_cnames_is_a_failed_lookup():
    resolver = FakeResolver({"CNAME a.test": ["b.test."], "CNAME b.test": ["a.test."]})
    with pytest.raises(LookupFailed):
        await resolver.lookup("a.test", "A")
