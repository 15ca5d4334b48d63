"""DANE for SMTP: a domain's own word, by DNSSEC, on the certificates of its mail exchangers (RFC 6698, 7671, 7672).

1. Only usages 2 (DANE-TA) and 3 (DANE-EE) count; 0 and 1 are unusable (RFC 7672 §3.1.3), and so is what is malformed.
2. Usage 3 matches the server's own certificate or key, whatever its names and dates (RFC 7672 §3.1.1). Usage 2 matches
   an issuer in its chain, and then names and dates count (§3.1.2).
3. Several records are alternatives: while keys roll over, both stand.
4. Records are believed only when the resolver vouches for them; who asks for hosts looks at that (`Host.tlsa_names`).
"""

import datetime
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mail.dns.resolver import NoRecords, Resolver

DANE_TA, DANE_EE = 2, 3
CERTIFICATE, KEY = 0, 1
FULL, SHA256, SHA512 = 0, 1, 2
RECORDS_MAX = 50
CHAIN_MAX = 10

_RECORD = re.compile(r"([0-9]{1,3}) ([0-9]{1,3}) ([0-9]{1,3}) ([0-9A-Fa-f ]+)")
_LENGTHS = {SHA256: 32, SHA512: 64}


@dataclass(frozen=True, slots=True)
class Tlsa:
    usage: int
    selector: int
    matching: int
    content: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.content.hex()}"

    @property
    def usable(self) -> bool:
        known = self.usage in (DANE_TA, DANE_EE) and self.selector in (CERTIFICATE, KEY)
        return known and self.matching in (FULL, SHA256, SHA512) and self._long_enough

    @property
    def _long_enough(self) -> bool:
        return len(self.content) == _LENGTHS.get(self.matching, len(self.content)) and bool(self.content)

    def matches(self, certificate: bytes) -> bool:
        """Is it that certificate (DER), or its key. RFC 6698 §2.1."""
        try:
            selected = certificate if self.selector == CERTIFICATE else public_key_of(certificate)
        except ValueError:
            return False
        if self.matching == FULL:
            return selected == self.content
        digest = hashlib.sha256 if self.matching == SHA256 else hashlib.sha512
        return digest(selected).digest() == self.content


@dataclass(frozen=True, slots=True)
class TlsaAnswer:
    """`base`: the TLSA base domain, where the records were found. At least one record."""

    base: str
    records: tuple[Tlsa, ...]

    @property
    def usable(self) -> tuple[Tlsa, ...]:
        return tuple(one for one in self.records if one.usable)


def parse_tlsa(record: str) -> Tlsa | None:
    """`3 1 1 0123…`; None when it is not of that form."""
    match = _RECORD.fullmatch(record)
    digits = match[4].replace(" ", "") if match else ""
    if match is None or len(digits) % 2:
        return None
    return Tlsa(int(match[1]), int(match[2]), int(match[3]), bytes.fromhex(digits))


async def lookup_tlsa(resolver: Resolver, bases: Sequence[str], port: int) -> TlsaAnswer | None:
    """The records at the first of these names that has any; None: no DANE there. LookupFailed: then nobody may know.

    Only an answer that is vouched for counts (RFC 7672 §2.2.2).
    """
    for base in bases:
        try:
            answer = await resolver.lookup(f"_{port}._tcp.{base}", "TLSA")
        except NoRecords:
            continue
        found = tuple(one for one in map(parse_tlsa, answer.records[:RECORDS_MAX]) if one is not None)
        if answer.secure and found:
            return TlsaAnswer(base, found)
    return None


def verify(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: int) -> Tlsa | None:
    """The record by which the server's chain (DER, its own certificate first) is good; None: it is not.

    `names`: those one of which the certificate must have under usage 2. `now`: seconds since 1970.
    """
    chain = chain[:CHAIN_MAX]
    if not chain:
        return None
    for record in records:
        if record.usage == DANE_EE and record.matches(chain[0]):
            return record
    for record in records:
        if record.usage == DANE_TA and any(_leads_to(chain, anchor, names, now) for anchor in _anchors(record, chain)):
            return record
    return None


def _anchors(record: Tlsa, chain: Sequence[bytes]) -> Iterator[bytes]:
    yield from (one for one in chain[1:] if record.matches(one))
    if (record.selector, record.matching) == (CERTIFICATE, FULL):
        # A server need not send the issuer that is in the DNS whole (RFC 7671 §5.2.2).
        yield record.content


def _leads_to(chain: Sequence[bytes], anchor: bytes, names: Sequence[str], now: int) -> bool:
    """Is the certificate issued by way of its chain by this anchor, for one of the names, and of this time."""
    # Few servers have such records, and these modules cost a process 3 MiB.
    x509: Any = import_module("cryptography.x509")
    verification: Any = import_module("cryptography.x509.verification")
    try:
        leaf, *others = (x509.load_der_x509_certificate(one) for one in chain)
        store = verification.Store([x509.load_der_x509_certificate(anchor)])
    except ValueError:
        return False
    builder = verification.PolicyBuilder().store(store).time(datetime.datetime.fromtimestamp(now, datetime.UTC))
    for name in names:
        try:
            builder.build_server_verifier(x509.DNSName(name)).verify(leaf, others)
            return True
        except (verification.VerificationError, ValueError):
            continue
    return False


def public_key_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate, DER. ValueError when it is none.

    Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version OPTIONAL, serialNumber, signature, issuer,
    validity, subject, subjectPublicKeyInfo, … }, … }. RFC 5280 §4.1.
    """
    at, _ = _content(certificate, 0)
    at, _ = _content(certificate, at)
    skipped = 6 if certificate[at : at + 1] == b"\xa0" else 5
    for _ in range(skipped):
        at = _content(certificate, at)[1]
    end = _content(certificate, at)[1]
    return certificate[at:end]


def _content(octets: bytes, at: int) -> tuple[int, int]:
    """Where the content of the value at `at` begins and ends."""
    if at + 2 > len(octets):
        raise ValueError("the certificate ends too early")
    length, start = octets[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("no length of DER")
        length, start = int.from_bytes(octets[start : start + count], "big"), start + count
    if start + length > len(octets):
        raise ValueError("the certificate ends too early")
    return start, start + length
