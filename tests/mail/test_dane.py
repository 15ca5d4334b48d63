import datetime
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mail.dane import Tlsa, TlsaAnswer, lookup_tlsa, parse_tlsa, public_key_of, verify
from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed
from tests.deliver_sink import certified

NAME = "mx.them.test"
NOW = int(datetime.datetime.now(datetime.UTC).timestamp())
YEAR = 366 * 86_400


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return chain_of(tmp_path_factory.mktemp("certificate"))


def chain_of(folder: Path) -> list[bytes]:
    certified(folder, NAME)
    found = x509.load_pem_x509_certificates((folder / "sink.pem").read_bytes())
    return [one.public_bytes(Encoding.DER) for one in found]


def spki(certificate: bytes) -> bytes:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(usage: int, selector: int, matching: int, certificate: bytes) -> Tlsa:
    selected = spki(certificate) if selector else certificate
    content = [selected, hashlib.sha256(selected).digest(), hashlib.sha512(selected).digest()][matching]
    return Tlsa(usage, selector, matching, content)


def good(chain: list[bytes], *records: Tlsa, names=(NAME,), now=NOW) -> bool:
    return verify(records, chain, names, now) is not None


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_the_servers_own_certificate_matches_whatever_its_names_and_dates(chain, tmp_path, selector, matching):
    """RFC 7672 §3.1.1."""
    own = record(3, selector, matching, chain[0])
    assert good(chain, own) and good(chain[:1], own, names=("other.test",), now=NOW + 50 * YEAR)
    assert not good(chain_of(tmp_path), own)
    assert not good(chain[1:], own), "the issuer's own certificate in the server's place"


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_an_issuer_in_the_chain_matches_with_name_and_date(chain, tmp_path, selector, matching):
    """RFC 7672 §3.1.2."""
    issuer = record(2, selector, matching, chain[1])
    assert good(chain, issuer) and good(chain, issuer, names=("them.test", NAME))
    assert not good(chain, issuer, names=("other.test",)) and not good(chain, issuer, names=())
    assert not good(chain, issuer, now=NOW + 50 * YEAR) and not good(chain, issuer, now=NOW - YEAR)
    stranger = chain_of(tmp_path)
    assert not good(stranger, issuer)
    assert not good([stranger[0], chain[1]], issuer), "the issuer is sent along, but it did not issue this one"


def test_an_issuer_that_stands_in_the_dns_whole_need_not_be_sent(chain):
    assert good(chain[:1], record(2, 0, 0, chain[1])) and not good(chain[:1], record(2, 0, 1, chain[1]))


def test_while_keys_roll_over_either_record_will_do(chain, tmp_path):
    old, new = record(3, 1, 1, chain_of(tmp_path)[0]), record(3, 1, 1, chain[0])
    assert verify([old, new], chain, (), NOW) == new
    assert verify([old], chain, (), NOW) is None


def test_no_record_and_no_certificate_match_nothing(chain):
    assert not good(chain) and not good([], record(3, 1, 1, chain[0])) and not good([b"x"], record(3, 1, 1, chain[0]))
    assert not good([b"x", b"y"], Tlsa(2, 0, 0, b"y"))


def test_the_key_is_cut_out_as_a_library_does(chain):
    assert [public_key_of(one) for one in chain] == [spki(one) for one in chain]


@given(st.binary(max_size=80))
def test_of_no_certificate_comes_no_key(octets):
    try:
        public_key_of(octets)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        (f"3 1 1 {'ab' * 32}", True),
        (f"3 1 1 {'AB' * 16} {'AB' * 16}", True),
        (f"2 0 2 {'ab' * 64}", True),
        ("3 0 0 abcd", True),
        (f"1 1 1 {'ab' * 32}", False),
        (f"0 1 1 {'ab' * 32}", False),
        (f"3 2 1 {'ab' * 32}", False),
        (f"3 1 3 {'ab' * 32}", False),
        ("3 1 1 abcd", False),
        (f"3 1 2 {'ab' * 32}", False),
        (f"255 255 255 {'ab' * 32}", False),
    ],
)
def test_what_is_malformed_or_for_others_is_unusable(text, usable):
    found = parse_tlsa(text)
    assert found is not None and found.usable is usable
    assert parse_tlsa(str(found)) == found


@pytest.mark.parametrize("text", ["", "3 1 1", "3 1 1 abc", "3 1 1 xyz", "a 1 1 ab", "3 1 ab"])
def test_what_is_no_record_is_left_out(text):
    assert parse_tlsa(text) is None


async def looked_up(zone, *bases: str, secure=(), failing=()) -> TlsaAnswer | None:
    return await lookup_tlsa(FakeResolver(zone, secure=secure, failing=failing), bases, 25)


async def test_records_are_found_at_the_first_name_that_has_them_and_only_vouched_for():
    here, there = "TLSA _25._tcp.real.test", "TLSA _25._tcp.mx.test"
    zone = {here: ["3 1 1 abcd", "nonsense"], there: ["3 1 1 ef"]}
    found = await looked_up(zone, "real.test", "mx.test", secure=(here, there))
    assert found == TlsaAnswer("real.test", (Tlsa(3, 1, 1, b"\xab\xcd"),)) and found.usable == ()
    second = await looked_up(zone, "real.test", "mx.test", secure=(there,))
    assert second is not None and second.base == "mx.test"
    assert await looked_up(zone, "real.test") is None
    assert await looked_up(zone) is None
    assert await looked_up({}, "real.test", "mx.test") is None
    with pytest.raises(LookupFailed):
        await looked_up(zone, "real.test", "mx.test", secure=(there,), failing=(here,))
