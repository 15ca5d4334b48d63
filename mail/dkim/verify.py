"""Are the DKIM signatures of a message good, and which of them count?

    prepared = prepare(octets, header, now=now)         # parse, canonicalise, hash: CPU, no waiting
    keys = await ask_all(prepared.names, resolver)      # waiting, no CPU
    results = finish(prepared, keys)                    # one public-key operation a signature

or all three: `await verify(...)`. Each signature has its result in the words of RFC 8601 §2.7.1:

    none       "the message was not signed"; also one that does not verify while its owner only tests (t=y, RFC 6376
               §3.6.1: as if there were no signature)
    pass       "signed, acceptable to the ADMD, and passed verification"
    fail       "signed and acceptable, but failed": header or body changed, l= beyond the body, before t= or after x=
    policy     "some aspect of the signature was not acceptable": it verifies, but leaves out part of the body (l=), the
               Subject, or one of several fields that are shown; or it is more than we try
    neutral    "syntax errors, or not otherwise able to be processed": grammar, version, algorithm, query method
    temperror  "likely transient": the DNS could not say
    permerror  "unrecoverable": no key, a revoked or unfitting one, fewer than 1024 bits, rsa-sha1, From not signed,
               a tag twice, i= outside d=

Only "pass" may count for DMARC (security MA-1). Line ends are CRLF; what is not is an octet like any other.
RFC 6376 §6, RFC 8301 §3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mail.dkim.canonical import BodyDigests, FieldChooser, body_digests
from mail.dkim.key import RSA_BITS_STRONG, BadKey, Key, Published, ask_all, choose_key
from mail.dkim.signature import BadSignature, Signature, parse_signature
from mail.dns.resolver import Resolver
from mail.message.fields import Field, Header, Octets

SIGNATURES_MAX = 10
KEYS_MAX = 5

# What decides what a reader is shown: where such a field is signed, none may stand beside it that is not.
_SHOWN = (b"subject", b"content-type", b"content-transfer-encoding")
_UNKNOWN = Published(failed=True)


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """One signature. `domain` and `selector` are empty where the field does not tell; `identity` is i=, in NFC.

    `tag_b` is the beginning of b=, which tells one signature from another (header.b, RFC 8601 §2.7.1); `secure`: the
    key came with DNSSEC.
    """

    result: str
    reason: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    tag_b: str = ""
    signed_fields: tuple[bytes, ...] = ()
    key_bits: int = 0
    testing: bool = False
    secure: bool = False

    @property
    def usable(self) -> bool:
        """May it count for DMARC, where its domain is aligned?"""
        return self.result == "pass"

    @property
    def weak(self) -> bool:
        """An RSA key that is accepted and should be longer. RFC 8301 §3.2."""
        return 0 < self.key_bits < RSA_BITS_STRONG and self.algorithm.startswith("rsa")


@dataclass(frozen=True, slots=True)
class _Pending:
    """A signature that waits for its key. `fault`: why it fails whatever the key; `objection`: why it cannot pass."""

    signature: Signature
    shown: SignatureResult
    digest: bytes
    fault: str
    objection: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """`names` are the TXT records to ask for."""

    entries: tuple[SignatureResult | _Pending, ...]
    names: tuple[str, ...]


async def verify(
    octets: Octets, header: Header, resolver: Resolver, *, now: int, service: str = "email"
) -> list[SignatureResult]:
    """The results from the top field down, none for an unsigned message; `now` in seconds since 1970. Never raises."""
    prepared = prepare(octets, header, now=now)
    return finish(prepared, await ask_all(prepared.names, resolver), service=service)


def prepare(octets: Octets, header: Header, *, now: int) -> Prepared:
    """All that can be done without a key. The first ten signatures are looked at."""
    fields = [field for field in header.fields if field.name == b"dkim-signature"][:SIGNATURES_MAX]
    if not fields:
        return Prepared((), ())
    read = [_read(field, now) for field in fields]
    bodies = _bodies(octets, header.end, [one for one in read if isinstance(one, Signature)])
    chooser = FieldChooser(header.fields)
    entries: list[SignatureResult | _Pending] = []
    names: dict[str, None] = {}
    for field, one in zip(fields, read, strict=True):
        entry = _pending(one, field, chooser, bodies[one.body_relaxed]) if isinstance(one, Signature) else one
        if isinstance(entry, _Pending):
            if entry.signature.key_name not in names and len(names) >= KEYS_MAX:
                entry = replace(entry.shown, result="policy", reason=f"more than {KEYS_MAX} keys to look up")
            else:
                names[entry.signature.key_name] = None
        entries.append(entry)
    return Prepared(tuple(entries), tuple(names))


def finish(prepared: Prepared, keys: Mapping[str, Published], *, service: str = "email") -> list[SignatureResult]:
    """The results, from the top field down. A name that is missing in `keys` was not had in time: "temperror"."""
    return [
        _result(entry, keys.get(entry.signature.key_name, _UNKNOWN), service) if isinstance(entry, _Pending) else entry
        for entry in prepared.entries
    ]


def _read(field: Field, now: int) -> Signature | SignatureResult:
    try:
        return parse_signature(field.value, now=now)
    except BadSignature as error:
        return SignatureResult(error.result, error.reason, domain=error.domain, selector=error.selector)


def _bodies(octets: Octets, start: int, signatures: list[Signature]) -> dict[bool, BodyDigests]:
    """The digests by whether the body is relaxed: the body is gone through at most twice."""
    cuts: dict[bool, list[int]] = {}
    for signature in signatures:
        wanted = cuts.setdefault(signature.body_relaxed, [])
        if signature.length is not None:
            wanted.append(signature.length)
    return {relaxed: body_digests(octets, start, relaxed=relaxed, cuts=wanted) for relaxed, wanted in cuts.items()}


def _pending(
    signature: Signature, field: Field, chooser: FieldChooser, body: BodyDigests
) -> SignatureResult | _Pending:
    shown = SignatureResult(
        "neutral",
        "",
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm,
        tag_b=signature.tag_b,
        signed_fields=signature.names,
    )
    if signature.names.count(b"from") < max(1, chooser.count(b"from")):
        return replace(shown, result="permerror", reason="From field not signed")
    fault = ""
    if signature.length is None:
        seen = body.whole
    else:
        seen = body.cut.get(signature.length, b"")
        fault = "" if seen else "l= is beyond the end of the body"
    if not fault and seen != signature.body_hash:
        fault = "body hash did not verify"
    return _Pending(
        signature=signature,
        shown=shown,
        digest=chooser.header_digest(signature.names, field, relaxed=signature.header_relaxed),
        fault=fault,
        objection=_objection(signature, chooser),
    )


def _objection(signature: Signature, chooser: FieldChooser) -> str:
    """Why it is not enough for us though it may verify."""
    if signature.length is not None:
        return "l= is not accepted: text could be added"
    if b"subject" not in signature.names:
        return "Subject field not signed"
    for name in _SHOWN:
        signed = signature.names.count(name)
        if 0 < signed < chooser.count(name):
            return f"one of several {name.decode().title()} fields not signed"
    return ""


def _result(entry: _Pending, published: Published, service: str) -> SignatureResult:
    shown = replace(entry.shown, secure=published.secure)
    if published.failed:
        return replace(shown, result="temperror", reason="key unavailable")
    try:
        key = choose_key(published.records, kind=entry.signature.kind, service=service)
    except BadKey as error:
        return replace(shown, result="permerror", reason=str(error))
    result, reason = _judged(entry, key)
    if key.testing and result not in ("pass", "policy"):
        result, reason = "none", f"testing: {reason}"
    return replace(shown, result=result, reason=reason, key_bits=key.bits, testing=key.testing)


def _judged(entry: _Pending, key: Key) -> tuple[str, str]:
    signature = entry.signature
    if key.strict and signature.identity_domain != signature.domain:
        return "permerror", "domain mismatch: the key is not for subdomains"
    if entry.fault:
        return "fail", entry.fault
    if not key.verifies(signature.signature, entry.digest):
        return "fail", "signature did not verify"
    if entry.objection:
        return "policy", entry.objection
    return "pass", ""
