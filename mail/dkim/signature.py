"""One DKIM-Signature field, read and checked as far as it can be without message and key. RFC 6376 §3.5, §6.1.1.

What it says of a faulty field is RFC 8601's: "neutral" for syntax errors and what cannot be processed, "permerror" for
an error that time will not mend, "fail" for one that is out of its time.
"""

import re
import unicodedata
from dataclasses import dataclass

from mail.address import DOMAIN_OCTETS, parse_domain
from mail.dkim.key import key_name
from mail.dkim.tags import BadTags, DuplicateTag, base64_value, list_value, number_value, parse_tags
from mail.errors import BadAddress

SKEW = 300
IDENTITY_OCTETS = 320
# RFC 6376 §3.3; rsa-sha1 is historic (RFC 8301 §3.1).
ALGORITHMS = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}
REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")

# Underscores are no part of the grammar, and are in use.
_LABELS = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*")
# hdr-name = field-name
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_QUOTED = re.compile(rb"=([0-9A-F]{2})")
_CANONICAL = {b"simple": False, b"relaxed": True}


class BadSignature(Exception):
    """The field ends here, with a result of RFC 8601 §2.7.1 and a reason. `domain` and `selector` as far as known."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.domain = ""
        self.selector = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a DKIM-Signature or ARC-Message-Signature says. `identity` is i=, its localpart in NFC."""

    kind: str
    domain: str
    selector: str
    identity: str
    names: tuple[bytes, ...]  # the signed fields, lower case, as often as signed
    header_relaxed: bool
    body_relaxed: bool
    length: int | None
    expires: int | None
    signature: bytes
    body_hash: bytes
    tag_b: str  # the beginning of b= as it is written

    @property
    def algorithm(self) -> str:
        return f"{self.kind}-sha256"

    @property
    def key_name(self) -> str:
        return key_name(self.selector, self.domain)

    @property
    def identity_domain(self) -> str:
        return self.identity.rpartition("@")[2]


def parse_signature(value: bytes, *, now: int) -> Signature:
    """Read the unfolded value of a DKIM-Signature field at that time (seconds since 1970). Raises `BadSignature`."""
    try:
        tags = parse_tags(value)
    except DuplicateTag as error:
        raise BadSignature("permerror", f"signature syntax error: {error}") from error
    except BadTags as error:
        raise BadSignature("neutral", f"signature syntax error: {error}") from error
    try:
        for name in REQUIRED:
            if name not in tags:
                raise BadSignature("neutral", f"signature missing required tag {name}=")
        if tags["v"] != b"1":
            raise BadSignature("neutral", "incompatible version")
        signature = read_signature(tags, identity=tags.get("i"))
        check_times(tags, signature.expires, now)
    except BadTags as error:
        raise _with_signer(BadSignature("neutral", f"signature syntax error: {error}"), tags) from error
    except BadSignature as error:
        raise _with_signer(error, tags) from None
    return signature


def read_signature(tags: dict[str, bytes], *, identity: bytes | None) -> Signature:
    """The tags that DKIM-Signature and ARC-Message-Signature share, all of `REQUIRED` but v= being there.

    Raises `BadTags`, `BadSignature`.
    """
    domain = domain_value(tags["d"])
    kind = algorithm_kind(tags["a"])
    header_relaxed, body_relaxed = _canonicalization(tags.get("c", b"simple/simple"))
    if "q" in tags and b"dns/txt" not in list_value(tags["q"]):
        raise BadSignature("neutral", "unknown query method")
    names = list_value(tags["h"].lower())
    if not all(map(_FIELD_NAME.fullmatch, names)):
        raise BadTags("h= names no field")
    return Signature(
        kind=kind,
        domain=domain,
        selector=selector_value(tags["s"]),
        identity=f"@{domain}" if identity is None else _identity(identity, domain),
        names=names,
        header_relaxed=header_relaxed,
        body_relaxed=body_relaxed,
        length=number_value(tags["l"], 76) if "l" in tags else None,
        expires=number_value(tags["x"], 12) if "x" in tags else None,
        signature=base64_value(tags["b"]),
        body_hash=base64_value(tags["bh"]),
        tag_b=tags["b"].translate(None, b" \t\r\n")[:8].decode("latin-1"),
    )


def check_times(tags: dict[str, bytes], expires: int | None, now: int) -> None:
    """t= and x= are past and to come. Raises `BadTags`, `BadSignature`."""
    signed = number_value(tags["t"], 12) if "t" in tags else None
    if signed is not None and expires is not None and expires <= signed:
        raise BadTags("x= is not after t=")
    if signed is not None and signed > now + SKEW:
        raise BadSignature("fail", "signed in the future")
    if expires is not None and expires < now:
        raise BadSignature("fail", "signature expired")


def algorithm_kind(value: bytes) -> str:
    """The kind of key an a= wants. Raises `BadSignature`."""
    if value == b"rsa-sha1":
        raise BadSignature("permerror", "rsa-sha1 is not accepted")
    kind = ALGORITHMS.get(value)
    if kind is None:
        raise BadSignature("neutral", "unknown signature algorithm")
    return kind


def domain_value(value: bytes) -> str:
    """d=: domain-name = sub-domain 1*("." sub-domain), in A-labels. Raises `BadTags`."""
    domain = _name(value)
    if "." not in domain or len(domain) > DOMAIN_OCTETS:
        raise BadTags("d= is no domain")
    return domain


def selector_value(value: bytes) -> str:
    """s=, in A-labels (RFC 8616 §4). Raises `BadTags`."""
    return _name(value)


def _name(value: bytes) -> str:
    folded = value.lower()
    if len(value) <= DOMAIN_OCTETS and _LABELS.fullmatch(folded):
        return folded.decode()
    if folded.isascii():
        raise BadTags("not a domain name")
    try:
        return parse_domain(value.decode())
    except (BadAddress, UnicodeDecodeError) as error:
        raise BadTags("not a domain name") from error


def _identity(value: bytes, domain: str) -> str:
    """i=: [ Local-part ] "@" domain-name, in dkim-quoted-printable. The domain is d= or below it."""
    unquoted = _QUOTED.sub(lambda match: bytes([int(match[1], 16)]), value.translate(None, b" \t\r\n"))
    try:
        localpart, at, name = unquoted[: IDENTITY_OCTETS + 1].decode().rpartition("@")
    except UnicodeDecodeError as error:
        raise BadTags("i= is not UTF-8") from error
    if not at or len(unquoted) > IDENTITY_OCTETS or not localpart.isprintable():
        raise BadTags("i= is no address")
    below = _name(name.encode())
    if below != domain and not below.endswith(f".{domain}"):
        raise BadSignature("permerror", "domain mismatch: i= is not within d=")
    return f"{unicodedata.normalize('NFC', localpart)}@{below}"


def _canonicalization(value: bytes) -> tuple[bool, bool]:
    header, slash, body = value.partition(b"/")
    header_relaxed = _CANONICAL.get(header.strip(b" \t"))
    body_relaxed = _CANONICAL.get(body.strip(b" \t")) if slash else False
    if header_relaxed is None or body_relaxed is None:
        raise BadSignature("neutral", "unknown canonicalization")
    return header_relaxed, body_relaxed


def _with_signer(error: BadSignature, tags: dict[str, bytes]) -> BadSignature:
    try:
        error.domain = domain_value(tags.get("d", b""))
        error.selector = selector_value(tags.get("s", b""))
    except BadTags:
        pass  # what is no name is not shown
    return error
