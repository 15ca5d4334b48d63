"""Public keys in the DNS: asked for, read, and what their owner allows them to sign. RFC 6376 §3.6, RFC 8463 §4.

Every flag is enforced: `k=` `h=` `s=` say what a key is for, `t=y` that its owner is only testing, `t=s` that it signs
for no subdomain. An empty `p=` revokes the key. Of several records at one name (RFC 6376 §3.6.2.2 leaves that open) the
first that can be read and fits the algorithm counts.
RSA keys have 1024 to 8192 bits: shorter ones prove nothing (RFC 8301 §3.2), longer ones only cost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mail.dkim.tags import BadTags, base64_value, list_value, parse_tags
from mail.dns.resolver import LookupFailed, NoRecords, Resolver

RECORD_MAX = 4096
RECORDS_MAX = 8
RSA_BITS_MIN = 1024
RSA_BITS_MAX = 8192
RSA_BITS_STRONG = 2048
ED25519_OCTETS = 32

_PADDING = PKCS1v15()
_PREHASHED = Prehashed(SHA256())


class BadKey(ValueError):
    """No key that could verify this signature; the text says why, in RFC 6376's words where it has them."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key record. `hashes` and `services` are None when it names none, which allows all."""

    kind: str  # "rsa" or "ed25519"
    public: RSAPublicKey | Ed25519PublicKey
    bits: int
    hashes: tuple[bytes, ...] | None
    services: tuple[bytes, ...]
    testing: bool
    strict: bool

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Is it this key's signature over the SHA-256 digest?"""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, digest, _PADDING, _PREHASHED)
            else:
                self.public.verify(signature, digest)  # the digest is the message: RFC 8463 §3
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Published:
    """What the DNS said at one name. `failed`: nobody could say."""

    records: tuple[str, ...] = ()
    secure: bool = False
    failed: bool = False


def key_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


async def ask(name: str, resolver: Resolver) -> Published:
    try:
        answer = await resolver.lookup(name, "TXT")
    except NoRecords:
        return Published()
    except LookupFailed:
        return Published(failed=True)
    return Published(answer.records, answer.secure)


async def ask_all(names: Iterable[str], resolver: Resolver) -> dict[str, Published]:
    """One after the other; a caller that can wait for several at once uses `ask`."""
    return {name: await ask(name, resolver) for name in names}


def choose_key(records: Sequence[str], *, kind: str, service: str) -> Key:
    """The key for a signature of that kind (its hash is always SHA-256). Raises `BadKey`."""
    key = _first_that_fits(records, kind)
    if key.kind != kind:
        raise BadKey("inappropriate key algorithm")
    if key.hashes is not None and b"sha256" not in key.hashes:
        raise BadKey("inappropriate hash algorithm")
    if b"*" not in key.services and service.encode() not in key.services:
        raise BadKey("the key is for another service")
    if kind == "rsa" and not RSA_BITS_MIN <= key.bits <= RSA_BITS_MAX:
        raise BadKey(f"an RSA key of {key.bits} bits is not accepted")
    return key


def _first_that_fits(records: Sequence[str], kind: str) -> Key:
    read: list[Key] = []
    fault: BadKey | None = None
    for record in records[:RECORDS_MAX]:
        try:
            key = parse_key(record)
        except BadKey as error:
            fault = fault or error
            continue
        if key.kind == kind:
            return key
        read.append(key)
    if read:
        return read[0]
    raise fault or BadKey("no key for signature")


@lru_cache(maxsize=1024)
def parse_key(record: str) -> Key:
    """Read one key record, text as the resolver gives it. Raises `BadKey`."""
    if len(record) > RECORD_MAX:
        raise BadKey("key record too long")
    try:
        # White space may be folded, and zone files fold without care.
        tags = parse_tags(record.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace"))
        if tags.get("v", b"DKIM1") != b"DKIM1":
            raise BadKey("not a DKIM key record")
        published = tags.get("p")
        if published is None:
            raise BadKey("key record without p=")
        if not published:
            raise BadKey("key revoked")
        kind = tags.get("k", b"rsa").decode("latin-1")
        public = _public_key(kind, base64_value(published))
        flags = list_value(tags["t"]) if tags.get("t") else ()
        return Key(
            kind=kind,
            public=public,
            bits=public.key_size if isinstance(public, RSAPublicKey) else ED25519_OCTETS * 8,
            hashes=list_value(tags["h"]) if "h" in tags else None,
            services=list_value(tags.get("s", b"*")),
            testing=b"y" in flags,
            strict=b"s" in flags,
        )
    except BadTags as error:
        raise BadKey(f"key syntax error: {error}") from error


def _public_key(kind: str, octets: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        if kind == "rsa":
            # Both forms are in use: SubjectPublicKeyInfo and RFC 6376's RSAPublicKey.
            public = load_der_public_key(octets)
            if isinstance(public, RSAPublicKey):
                return public
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("key syntax error: p= holds no such key") from error
    raise BadKey("unknown key type" if kind != "rsa" else "key syntax error: p= holds no such key")
