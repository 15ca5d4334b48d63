"""Has the chain of those who passed a message on been kept whole? RFC 8617 §5.2.

    prepared = prepare(octets, header, now=now)         # form and body hashes: CPU, no waiting
    keys = await ask_all(prepared.names, resolver)      # waiting, no CPU
    result = finish(prepared, keys)                     # one public-key operation a seal, and one a signature

or all three: `await verify(...)`. "none": no ARC fields. "pass": the chain is whole, the newest ARC-Message-Signature
and all seals verify. "fail": anything else; `temporary` tells that it was for want of a key the DNS could not give.
Only who trusts the sealers may believe what the chain says of earlier hops.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import dkim

from mail.arc.chain import ArcSet, BrokenChain, arc_fields, cv_fault, read_chain
from mail.dkim.canonical import BodyDigests, body_digests, relaxed_field, unsigned_field
from mail.dkim.key import BadKey, Published, ask_all, choose_key, parse_key
from mail.dkim.signature import Signature
from mail.dns.resolver import Resolver
from mail.message.fields import Field, Header, Octets

KEYS_MAX = 20
_UNKNOWN = Published(failed=True)
# dkimpy looks for b= in quadratic time where much white space stands together.
_LONG_RUN = re.compile(rb"[ \t\r\n]{101}")


@dataclass(frozen=True, slots=True)
class Hop:
    """One set of the chain: who sealed it, and what it says it found (as text, not to be trusted as such)."""

    instance: int
    domain: str
    selector: str
    authres: str


@dataclass(frozen=True, slots=True)
class ArcResult:
    """`oldest_pass`: since which instance the message is as it was; 0 when since the first. RFC 8617 §5.2."""

    cv: str  # "none", "pass", "fail"
    reason: str = ""
    oldest_pass: int = 0
    chain: tuple[Hop, ...] = ()
    temporary: bool = False


NONE = ArcResult("none")


@dataclass(frozen=True, slots=True)
class Prepared:
    """`names` are the TXT records to ask for. `settled`: the result, when no key can change it."""

    settled: ArcResult | None
    names: tuple[str, ...] = ()
    chain: tuple[ArcSet, ...] = ()
    header: Header | None = None
    bodies: Mapping[bool, BodyDigests] = field(default_factory=dict)


async def verify(octets: Octets, header: Header, resolver: Resolver, *, now: int) -> ArcResult:
    """The state of the chain; `now` in seconds since 1970. Never raises."""
    prepared = prepare(octets, header, now=now)
    return finish(prepared, await ask_all(prepared.names, resolver))


def prepare(octets: Octets, header: Header, *, now: int) -> Prepared:
    """All that can be done without a key."""
    fields = arc_fields(header)
    if not fields:
        return Prepared(NONE)
    try:
        chain = read_chain(fields, now=now)
    except BrokenChain as error:
        return Prepared(ArcResult("fail", str(error)))
    fault = cv_fault(chain)
    if fault:
        return Prepared(_failed(chain, fault))
    newest = chain[-1].readings
    if isinstance(newest, str):
        return Prepared(_failed(chain, f"the newest ARC-Message-Signature: {newest}"))
    # The names that must be had. Older message signatures rarely need others, and do without.
    names = tuple(dict.fromkeys([newest[0].key_name, *(one.seal.key_name for one in reversed(chain))]))
    if len(names) > KEYS_MAX:
        return Prepared(_failed(chain, "too many keys to look up"))
    wanted = {each.body_relaxed for one in chain if not isinstance(one.readings, str) for each in one.readings}
    bodies = {relaxed: body_digests(octets, header.end, relaxed=relaxed) for relaxed in wanted}
    return Prepared(None, names, tuple(chain), header, bodies)


def finish(prepared: Prepared, keys: Mapping[str, Published]) -> ArcResult:
    """The result. A name that is missing in `keys` was not had in time: a temporary failure."""
    if prepared.settled is not None or prepared.header is None:
        return prepared.settled or NONE
    chain = prepared.chain
    if any(keys.get(name, _UNKNOWN).failed for name in prepared.names):
        return _failed(chain, "key unavailable", temporary=True)
    fault = _message_fault(prepared, chain[-1], keys)
    if fault:
        return _failed(chain, f"the newest ARC-Message-Signature: {fault}")
    for at in range(len(chain) - 1, -1, -1):
        fault = _seal_fault(chain[: at + 1], keys)
        if fault:
            return _failed(chain, f"the seal of instance {at + 1}: {fault}")
    return ArcResult("pass", "", _oldest_pass(prepared, keys), _hops(chain))


def _oldest_pass(prepared: Prepared, keys: Mapping[str, Published]) -> int:
    for one in reversed(prepared.chain[:-1]):
        if _message_fault(prepared, one, keys):
            return one.instance + 1
    return 0


def _message_fault(prepared: Prepared, one: ArcSet, keys: Mapping[str, Published]) -> str:
    """Why an ARC-Message-Signature does not verify; empty when it does."""
    if isinstance(one.readings, str):
        return one.readings
    faults = [_reading_fault(prepared, one, each, keys) for each in one.readings]
    return "" if "" in faults else faults[0]


def _reading_fault(prepared: Prepared, one: ArcSet, signature: Signature, keys: Mapping[str, Published]) -> str:
    if prepared.bodies[signature.body_relaxed].whole != signature.body_hash:
        return "body hash did not verify"
    assert prepared.header is not None
    return _fault(
        [each for each in prepared.header.fields if each is not one.message],
        list(signature.names),
        one.message,
        {"a": signature.algorithm, "b": signature.signature, "d": signature.domain, "s": signature.selector},
        keys.get(signature.key_name, _UNKNOWN),
        relaxed=signature.header_relaxed,
    )


def _seal_fault(chain: tuple[ArcSet, ...], keys: Mapping[str, Published]) -> str:
    """Why the newest seal of a chain does not verify: it signs all fields of the chain. RFC 8617 §5.1.1."""
    seal = chain[-1].seal
    fields = [each for one in chain for each in (one.results, one.message, one.seal.field)][:-1]
    return _fault(
        fields[::-1],
        [each.name for each in fields],
        seal.field,
        {"a": f"{seal.kind}-sha256", "b": seal.signature, "d": seal.domain, "s": seal.selector},
        keys.get(seal.key_name, _UNKNOWN),
        relaxed=True,
    )


def _fault(
    fields: list[Field],
    names: list[bytes],
    own: Field,
    tags: dict[str, str | bytes],
    published: Published,
    *,
    relaxed: bool,
) -> str:
    kind = str(tags["a"]).partition("-")[0]
    try:
        choose_key(published.records, kind=kind, service="email")
    except BadKey as error:
        return str(error)
    record = next(text for text in published.records if _is_of(kind, text))
    unsigned = unsigned_field(own, relaxed=relaxed)
    if _LONG_RUN.search(unsigned):
        return "too much white space"
    checker = dkim.ARC()
    checker.headers = [_parts(relaxed_field(each) if relaxed else each.raw) for each in fields]
    sig = {name.encode(): _octets(value) for name, value in tags.items()}
    sig[b"c"] = b"relaxed/relaxed" if relaxed else b"simple/simple"
    try:
        good = checker.verify_sig(sig, names, _parts(unsigned), lambda *_, **__: record.encode())
    except (dkim.DKIMException, ValueError, TypeError, IndexError, KeyError) as error:
        return f"not verifiable: {type(error).__name__}"
    return "" if good else "signature did not verify"


def _is_of(kind: str, text: str) -> bool:
    try:
        return parse_key(text).kind == kind
    except BadKey:
        return False


def _parts(raw: bytes) -> tuple[bytes, bytes]:
    name, _, value = raw.partition(b":")
    return name, value


def _octets(value: str | bytes) -> bytes:
    return base64.b64encode(value) if isinstance(value, bytes) else value.encode()


def _failed(chain: list[ArcSet] | tuple[ArcSet, ...], reason: str, *, temporary: bool = False) -> ArcResult:
    return ArcResult("fail", reason, 0, _hops(chain), temporary)


def _hops(chain: list[ArcSet] | tuple[ArcSet, ...]) -> tuple[Hop, ...]:
    return tuple(Hop(one.instance, one.seal.domain, one.seal.selector, one.authres) for one in chain)
