"""Has the chain of those who passed a message on been kept whole? RFC 8617 §5.2.

    prepared = prepare(octets, header, now=now)         # form and body hashes: CPU, no waiting
    keys = await ask_all(prepared.names, resolver)      # waiting, no CPU
    result = finish(prepared, keys)                     # one public-key operation a seal, and one a signature

or all three: `await verify(...)`. "none": no ARC fields. "pass": the chain is whole, the newest ARC-Message-Signature
and all seals verify. "fail": anything else; `temporary` tells that it was for want of a key the DNS could not give.
Only who trusts the sealers may believe what the chain says of earlier hops.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from mail.arc.chain import ArcSet, BrokenChain, arc_fields, cv_fault, read_chain
from mail.dkim.canonical import BodyDigests, FieldChooser, body_digests, relaxed_field, unsigned_field
from mail.dkim.key import BadKey, Published, ask_all, choose_key
from mail.dkim.signature import Signature
from mail.dns.resolver import Resolver
from mail.message.fields import Header, Octets

KEYS_MAX = 20
_UNKNOWN = Published(failed=True)


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
    """`names` are the TXT records to ask for. `settled`: the result, when no key can change it. `sealed`: what the seal
    of each set signs, hashed.
    """

    settled: ArcResult | None
    names: tuple[str, ...] = ()
    chain: tuple[ArcSet, ...] = ()
    sealed: tuple[bytes, ...] = ()
    chooser: FieldChooser = field(default_factory=lambda: FieldChooser(()))
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
    return Prepared(None, names, tuple(chain), _sealed(chain), FieldChooser(header.fields), bodies)


def finish(prepared: Prepared, keys: Mapping[str, Published]) -> ArcResult:
    """The result. A name that is missing in `keys` was not had in time: a temporary failure."""
    if prepared.settled is not None:
        return prepared.settled
    chain = prepared.chain
    if any(keys.get(name, _UNKNOWN).failed for name in prepared.names):
        return _failed(chain, "key unavailable", temporary=True)
    fault = _message_fault(prepared, chain[-1], keys)
    if fault:
        return _failed(chain, f"the newest ARC-Message-Signature: {fault}")
    for at in range(len(chain) - 1, -1, -1):
        seal = chain[at].seal
        fault = _fault(seal.kind, seal.signature, prepared.sealed[at], keys.get(seal.key_name, _UNKNOWN))
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
    body = prepared.bodies[signature.body_relaxed]
    # RFC 8617 §4.1.2 has l= from DKIM. One that leaves text out is refused, as RFC 6376 §8.2 lets us.
    if signature.length not in (None, body.size):
        return "l= is not the length of the body"
    if body.whole != signature.body_hash:
        return "body hash did not verify"
    if signature.names.count(b"from") < prepared.chooser.count(b"from"):
        return "one of several From fields not signed"
    digest = prepared.chooser.header_digest(signature.names, one.message, relaxed=signature.header_relaxed)
    return _fault(signature.kind, signature.signature, digest, keys.get(signature.key_name, _UNKNOWN))


def _sealed(chain: list[ArcSet]) -> tuple[bytes, ...]:
    """A seal signs all fields of its set and the sets before, in order, in the relaxed form. RFC 8617 §5.1.1."""
    signed = hashlib.sha256()
    digests: list[bytes] = []
    for one in chain:
        signed.update(relaxed_field(one.results) + relaxed_field(one.message))
        own = signed.copy()
        own.update(unsigned_field(one.seal.field, relaxed=True))
        digests.append(own.digest())
        signed.update(relaxed_field(one.seal.field))
    return tuple(digests)


def _fault(kind: str, signature: bytes, digest: bytes, published: Published) -> str:
    try:
        key = choose_key(published.records, kind=kind, service="email")
    except BadKey as error:
        return str(error)
    return "" if key.verifies(signature, digest) else "signature did not verify"


def _failed(chain: list[ArcSet] | tuple[ArcSet, ...], reason: str, *, temporary: bool = False) -> ArcResult:
    return ArcResult("fail", reason, 0, _hops(chain), temporary)


def _hops(chain: list[ArcSet] | tuple[ArcSet, ...]) -> tuple[Hop, ...]:
    return tuple(Hop(one.instance, one.seal.domain, one.seal.selector, one.authres) for one in chain)
