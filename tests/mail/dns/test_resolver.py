import pytest

from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed, Mx, NoRecords, addresses, is_public, parse_mx


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("10 mx.example.org.", Mx(10, "mx.example.org")),
        ("0 .", Mx(0, "")),
        ("5 MX.Example.ORG", Mx(5, "mx.example.org")),
        ("ten mx.example.org.", None),
        ("10", None),
        ("", None),
        ("-1 mx.example.org.", None),
    ],
)
def test_an_mx_record_is_read_or_left_out(record, wanted):
    assert parse_mx(record) == wanted


async def test_addresses_of_both_families_are_found():
    resolver = FakeResolver({"A h.test": ["192.0.2.1"], "AAAA h.test": ["2001:db8::1"]})
    assert await addresses(resolver, "h.test") == ["2001:db8::1", "192.0.2.1"]


async def test_one_family_is_enough_though_the_other_fails():
    resolver = FakeResolver({"A h.test": ["192.0.2.1"]}, failing={"AAAA h.test"})
    assert await addresses(resolver, "h.test") == ["192.0.2.1"]


async def test_what_is_not_known_is_never_taken_for_none():
    with pytest.raises(LookupFailed):
        await addresses(FakeResolver(failing={"AAAA h.test"}), "h.test")
    with pytest.raises(LookupFailed):
        await addresses(FakeResolver(failing={"A h.test"}), "h.test")


async def test_a_name_without_addresses_is_told_from_a_name_there_is_not():
    with pytest.raises(NoRecords) as none:
        await addresses(FakeResolver({"TXT h.test": ["x"]}), "h.test")
    assert none.value.exists
    with pytest.raises(NoRecords) as none:
        await addresses(FakeResolver(), "h.test")
    assert not none.value.exists


@pytest.mark.parametrize("ip", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"])
def test_public_addresses(ip):
    assert is_public(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "2001:db8::1",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
        "3fff::1",
        "2001:20::1",
        "5f00::1",
        "192.0.0.9",
        "192.88.99.1",
    ],
)
def test_private_local_and_disguised_addresses_are_not_public(ip):
    assert not is_public(ip)
