import pytest

from mail.spf.client import Client


@pytest.mark.parametrize("ip", ["192.0.2.3", "::ffff:192.0.2.3", "::FFFF:C000:203"])
def test_an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address(ip):
    client = Client(ip)
    assert (client.is_ipv4, client.kind, client.text, client.dotted) == (True, "A", "192.0.2.3", "192.0.2.3")
    assert client.reverse_name == "3.2.0.192.in-addr.arpa"


def test_an_ipv6_address_is_shown_in_nibbles():
    client = Client("2001:DB8::cb01%eth0")
    assert client.text == "2001:db8::cb01" and not client.is_ipv4 and client.kind == "AAAA"
    assert client.dotted == "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1"


def test_the_first_bits_of_a_network_count():
    client = Client("192.0.2.130")
    assert client.is_among(["192.0.2.200"], 25) and not client.is_among(["192.0.2.100"], 25)
    assert client.is_among(["203.0.113.1"], 0) and not client.is_among([], 0)
    assert client.is_among(["192.0.2.130"]) and not client.is_among(["192.0.2.131"])


def test_records_of_the_other_kind_and_nonsense_are_no_match():
    assert not Client("192.0.2.3").is_among(["::ffff:192.0.2.3", "192.0.2.3.", "", "x"], 0)
    assert not Client("2001:db8::1").is_among(["192.0.2.3"], 0)


def test_what_is_no_address_is_refused():
    with pytest.raises(ValueError, match="does not appear"):
        Client("mx.example")
