"""The ARC sets of a message: three fields a hop, numbered by i=, read and put in order. RFC 8617 §4.

Every set from 1 to the newest has exactly one field of each kind; anything else is a `BrokenChain`. Whether an older
ARC-Message-Signature is sound is no part of that: only the newest has to verify (RFC 8617 §5.2).
"""

import re
from dataclasses import dataclass, replace

from mail.dkim.key import key_name
from mail.dkim.signature import (
    BadSignature,
    Signature,
    algorithm_kind,
    check_times,
    domain_value,
    read_signature,
    selector_value,
)
from mail.dkim.tags import BadTags, base64_value, number_value, parse_tags
from mail.message.fields import Field, Header

SETS_MAX = 50  # RFC 8617 §4.2.1
FIELD_OCTETS = 32 << 10

_RESULTS, _MESSAGE, _SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_NAMES = frozenset((_RESULTS, _MESSAGE, _SEAL))
# instance = [CFWS] %s"i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS]; it comes first. RFC 8617 §4.1.1
_CFWS = rb"(?:[ \t]|\([^()]*\))*"
_INSTANCE = re.compile(rb"%b i %b = %b ([0-9]{1,2}) %b ;".replace(b" ", b"") % (_CFWS, _CFWS, _CFWS, _CFWS))


class BrokenChain(Exception):
    """The chain has failed, whatever its signatures are worth; the text says why."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What an ARC-Seal says."""

    field: Field
    kind: str
    domain: str
    selector: str
    cv: str
    signature: bytes

    @property
    def key_name(self) -> str:
        return key_name(self.selector, self.domain)


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One hop. `readings`: what the ARC-Message-Signature may say, one of which has to verify; or why it cannot."""

    instance: int
    results: Field
    authres: str
    message: Field
    readings: tuple[Signature, ...] | str
    seal: Seal


def arc_fields(header: Header) -> list[Field]:
    return [field for field in header.fields if field.name in _NAMES]


def read_chain(fields: list[Field], *, now: int) -> list[ArcSet]:
    """The sets from the first to the newest. Raises `BrokenChain`."""
    if len(fields) > 3 * SETS_MAX:
        raise BrokenChain("too many sets")
    sets: dict[int, dict[bytes, Field]] = {}
    tags: dict[bytes, dict[str, bytes]] = {}
    for field in fields:
        if len(field.raw) > FIELD_OCTETS:
            raise BrokenChain("a field is too long")
        instance, tags[field.raw] = _numbered(field)
        if sets.setdefault(instance, {}).setdefault(field.name, field) is not field:
            raise BrokenChain(f"two fields of one kind in instance {instance}")
    return [_set(instance, sets.get(instance, {}), tags, now) for instance in range(1, max(sets, default=0) + 1)]


def cv_fault(chain: list[ArcSet]) -> str:
    """What is wrong with the states the seals attest; empty when nothing is. RFC 8617 §5.2."""
    for one in reversed(chain):
        if one.seal.cv != ("none" if one.instance == 1 else "pass"):
            return f"instance {one.instance} is sealed with cv={one.seal.cv}"
    return ""


def _numbered(field: Field) -> tuple[int, dict[str, bytes]]:
    """The instance of a field, and its tags where it has any."""
    tags: dict[str, bytes] = {}
    if field.name == _RESULTS:
        match = _INSTANCE.match(field.value)
        text = match[1] if match else b""
    else:
        try:
            tags = parse_tags(field.value)
        except BadTags as error:
            raise BrokenChain(f"{_title(field)}: {error}") from error
        text = tags.get("i", b"")
    if not text.isdigit() or len(text) > 2 or not 1 <= int(text) <= SETS_MAX:
        raise BrokenChain(f"{_title(field)} without an instance from 1 to {SETS_MAX}")
    return int(text), tags


def _set(instance: int, fields: dict[bytes, Field], tags: dict[bytes, dict[str, bytes]], now: int) -> ArcSet:
    if len(fields) < len(_NAMES):
        raise BrokenChain(f"instance {instance} is not complete")
    results, message = fields[_RESULTS], fields[_MESSAGE]
    return ArcSet(
        instance=instance,
        results=results,
        authres=results.value.partition(b";")[2].strip().decode("utf-8", "replace"),
        message=message,
        readings=_message_signature(tags[message.raw], now),
        seal=_seal(fields[_SEAL], tags[fields[_SEAL].raw]),
    )


def _message_signature(tags: dict[str, bytes], now: int) -> tuple[Signature, ...] | str:
    """As a DKIM-Signature (RFC 8617 §4.1.2), but i= is the instance and there is no v=.

    Without c= there are two readings: "simple", DKIM's default, and "relaxed", which is what widespread sealers mean.
    """
    for name in ("a", "b", "bh", "d", "h", "s"):
        if name not in tags:
            return f"missing tag {name}="
    try:
        signature = read_signature(tags, identity=None)
        check_times(tags, signature.expires, now)
    except BadTags as error:
        return str(error)
    except BadSignature as error:
        return error.reason
    if _SEAL in signature.names:
        return "h= names ARC-Seal"
    if b"from" not in signature.names:
        return "From field not signed"
    return (signature,) if "c" in tags else (signature, replace(signature, header_relaxed=True, body_relaxed=True))


def _seal(field: Field, tags: dict[str, bytes]) -> Seal:
    if "h" in tags:
        raise BrokenChain("a seal has h=")  # RFC 8617 §4.1.3: "MUST result in a cv status of fail"
    for name in ("a", "b", "cv", "d", "s"):
        if name not in tags:
            raise BrokenChain(f"a seal has no {name}=")
    if tags["cv"] not in (b"none", b"pass", b"fail"):
        raise BrokenChain("a seal has an unknown cv=")
    try:
        if "t" in tags:
            number_value(tags["t"], 12)
        return Seal(
            field=field,
            kind=algorithm_kind(tags["a"]),
            domain=domain_value(tags["d"]),
            selector=selector_value(tags["s"]),
            cv=tags["cv"].decode(),
            signature=base64_value(tags["b"]),
        )
    except BadTags as error:
        raise BrokenChain(f"a seal is not sound: {error}") from error
    except BadSignature as error:
        raise BrokenChain(f"a seal is not sound: {error.reason}") from error


def _title(field: Field) -> str:
    return {_RESULTS: "ARC-Authentication-Results", _MESSAGE: "ARC-Message-Signature", _SEAL: "ARC-Seal"}[field.name]
