"""An SPF record, read whole before any of it is used. RFC 7208 §4.5, §4.6.1, §5, §6 and §12.

    record = parse_record("v=spf1 mx a:mail.example.com/28 -all")

Rules:
1. A mistake anywhere makes all of the record invalid (RFC 7208 §4.6): `BadRecord` says which, in words its publisher
   understands.
2. A record is at most 4 KiB (security MA-2).
3. Names of mechanisms and modifiers are lower-cased; modifiers we do not know are checked and forgotten.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from mail.spf.macros import BadMacro, Part, parse, parse_domain_spec

RECORD_MAX = 4096
REMEMBERED_MAX = 1024  # characters; a remembered record may take a hundred times as many octets
VERSION = "v=spf1"

# modifier = name "=" ...; name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_DIRECTIVE = re.compile(r"([-+?~]?)([A-Za-z0-9_.-]+)(.*)")
# ip4-cidr-length = "/" ("0" / %x31-39 0*1DIGIT)
_CIDR = r"(?:0|[1-9][0-9]{0,2})"
_DUAL_CIDR = re.compile(rf"(?:/({_CIDR}))?(?://({_CIDR}))?\Z")
_NETWORK = re.compile(rf"([0-9A-Fa-f:.]+)(?:/({_CIDR}))?")
_ADDRESS_LIKE = re.compile(r"[0-9]+(?:\.[0-9]+){3}")

QUALIFIERS = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
DOMAIN_REQUIRED = ("include", "exists")
DOMAIN_OPTIONAL = ("a", "mx", "ptr")


class BadRecord(ValueError):
    """The record breaks the grammar: permerror. Says where."""


@dataclass(frozen=True, slots=True)
class Directive:
    """`result`: what a match means. `domain`: None where the mechanism is about the current domain.

    `network`, of ip4 and ip6, is an address as number, of which the first `prefix` bits count; `prefix4` and `prefix6`
    are the same for the addresses that a or mx find.
    """

    text: str
    result: str
    mechanism: str
    domain: tuple[Part, ...] | None = None
    network: int = 0
    prefix: int = 0
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    directives: tuple[Directive, ...]
    redirect: tuple[Part, ...] | None
    explanation: tuple[Part, ...] | None


def is_spf(text: str) -> bool:
    """Does a TXT record claim to be SPF, of whatever quality. RFC 7208 §4.5."""
    return text[:6].lower() == VERSION and text[6:7] in ("", " ")


def parse_record(text: str) -> Record:
    """Read a record for which `is_spf` holds. BadRecord."""
    if len(text) > RECORD_MAX:
        raise BadRecord(f"it is longer than {RECORD_MAX} characters")
    return _remembered(text) if len(text) <= REMEMBERED_MAX else _parse(text)


def _parse(text: str) -> Record:
    if not text.isascii():
        raise BadRecord("it has characters that are not ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, tuple[Part, ...]] = {}
    # Terms are separated by spaces alone; any other white space is a mistake in a term.
    for term in text[len(VERSION) :].split(" "):
        if not term:
            continue
        try:
            if modifier := _MODIFIER.fullmatch(term):
                _modify(modifiers, modifier[1].lower(), modifier[2])
            else:
                directives.append(_directive(term))
        except BadMacro as error:
            raise BadRecord(f"in {term!r}, {error}") from error
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


_remembered = lru_cache(maxsize=256)(_parse)


def _modify(modifiers: dict[str, tuple[Part, ...]], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        parse(value)  # unknown-modifier = name "=" macro-string
        return
    if name in modifiers:
        raise BadRecord(f"{name}= is there twice")
    modifiers[name] = parse_domain_spec(value)


def _directive(term: str) -> Directive:
    match = _DIRECTIVE.fullmatch(term)
    if match is None:
        raise BadRecord(f"{term!r} is neither a mechanism nor a modifier")
    result, mechanism, rest = QUALIFIERS[match[1]], match[2].lower(), match[3]
    if mechanism == "all":
        if rest:
            raise BadRecord(f"{term!r}: nothing may follow all")
        return Directive(term, result, mechanism)
    if mechanism in ("ip4", "ip6"):
        return _network(term, result, mechanism, rest)
    if mechanism not in DOMAIN_REQUIRED + DOMAIN_OPTIONAL:
        raise BadRecord(f"{term!r} is no mechanism there is")
    prefix4, prefix6 = 32, 128
    if mechanism in ("a", "mx"):
        rest, prefix4, prefix6 = _dual_cidr(term, rest)
    if not rest and mechanism in DOMAIN_OPTIONAL:
        return Directive(term, result, mechanism, None, prefix4=prefix4, prefix6=prefix6)
    if not rest.startswith(":"):
        raise BadRecord(f"{term!r}: a colon and a domain must follow {mechanism}")
    if _ADDRESS_LIKE.fullmatch(rest[1:]):
        raise BadRecord(f"{term!r} has an address where a domain belongs; ip4: is for addresses")
    return Directive(term, result, mechanism, parse_domain_spec(rest[1:]), prefix4=prefix4, prefix6=prefix6)


def _dual_cidr(term: str, rest: str) -> tuple[str, int, int]:
    """Split the lengths off the end: dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]."""
    slash = rest.rfind("/")
    if slash < 0:
        return rest, 32, 128
    # Only the last twelve characters can be lengths.
    match = _DUAL_CIDR.search(rest, max(0, len(rest) - 12))
    if match is None or not match[0]:
        return rest, 32, 128
    prefix4, prefix6 = int(match[1] or 32), int(match[2] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise BadRecord(f"{term!r}: no network is that small")
    return rest[: match.start()], prefix4, prefix6


def _network(term: str, result: str, mechanism: str, rest: str) -> Directive:
    match = _NETWORK.fullmatch(rest[1:]) if rest.startswith(":") else None
    if match is None:
        raise BadRecord(f"{term!r}: a colon and an address or network must follow {mechanism}")
    bits = 32 if mechanism == "ip4" else 128
    prefix = int(match[2] or bits)
    if prefix > bits:
        raise BadRecord(f"{term!r}: no network is that small")
    try:
        address = (ipaddress.IPv4Address if mechanism == "ip4" else ipaddress.IPv6Address)(match[1])
    except ValueError as error:
        raise BadRecord(f"{term!r}: {match[1]!r} is no address for {mechanism}") from error
    return Directive(term, result, mechanism, None, int(address), prefix)
