"""The DMARC record: `v=DMARC1; p=reject; rua=mailto:reports@example.org!10m`.

RFC 9989 rules and RFC 7489 is read on where nothing contradicts:

1. `v=DMARC1` comes first and is exact; what does not begin so is no DMARC record.
2. Unknown tags are ignored, a value that makes no sense is its tag's default (RFC 9989 §4.7); of a tag written twice
   the first counts.
3. Without a valid p, or with an invalid sp or np, the record is p=none when somebody wants reports, and no policy at
   all when nobody does (RFC 9989 §4.10.1, RFC 7489 §6.6.3).
4. pct, rf, ri and the size limit of a report address are gone from RFC 9989 and still published: they are read, because
   a domain that asks for pct=10 has not asked for more.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from mail.address import Address, parse_address
from mail.errors import BadAddress

# Far above any that is published; a longer one is none.
RECORD_OCTETS = 4096
URIS_MAX = 20
INTERVAL_SECONDS = 86400  # RFC 7489 §6.3, ri
INTERVAL_SECONDS_MAX = 2**32 - 1

# dmarc-version = "v" *WSP "=" *WSP %x44 %x4d %x41 %x52 %x43 %x31
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
# dmarc-tag = 1*ALPHA equals 1*dmarc-value
_TAG = re.compile(r"[ \t]*([A-Za-z]+)[ \t]*=[ \t]*([\x20-\x3a\x3c-\x7e\t]*)")
# dmarc-uri = URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):([^\s!]{1,1000})(?:[ \t]*![ \t]*([0-9]{1,18})([kKmMgGtT]?))?")
_DIGITS = re.compile(r"[0-9]{1,10}")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}

POLICIES = ("none", "quarantine", "reject")
_FAILURES = frozenset("01ds")


@dataclass(frozen=True, slots=True)
class ReportUri:
    """`address`: of a mailto URI, else None. `size_limit` in octets; None when there is none."""

    uri: str
    address: Address | None
    size_limit: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """`p` is empty when the record is no policy (rule 3); `sp` and `np` when they were not given."""

    p: str
    sp: str
    np: str
    psd: str  # "y", "n", "u"
    adkim: str  # "r", "s"
    aspf: str
    pct: int
    testing: bool  # t=y
    fo: tuple[str, ...]
    rf: tuple[str, ...]
    ri: int
    rua: tuple[ReportUri, ...]
    ruf: tuple[ReportUri, ...]

    def subdomain_policy(self, *, exists: bool) -> str:
        """What a domain below this one shall have: sp, or np for one that does not exist; p for want of them."""
        return (not exists and self.np) or self.sp or self.p


def parse_record(text: str) -> Record | None:
    """The record in a TXT text; None when it is not a DMARC record. Never raises."""
    version = _VERSION.match(text)
    if version is None or len(text) > RECORD_OCTETS:
        return None
    return _remembered(text[version.end() :])


def _parse(listed: str) -> Record:
    """The tags after the version."""
    tags: dict[str, str] = {}
    for part in listed.split(";"):
        tag = _TAG.fullmatch(part)
        if tag is not None:
            tags.setdefault(tag[1].lower(), tag[2].strip(" \t"))
    rua = _uris(tags.get("rua", ""))
    p, sp, np = (tags.get(name, "").lower() for name in ("p", "sp", "np"))
    if p not in POLICIES or any(one not in POLICIES and name in tags for name, one in (("sp", sp), ("np", np))):
        p, sp, np = "none" if rua else "", "", ""
    return Record(
        p,
        sp,
        np,
        _one_of(tags, "psd", "ynu", "u"),
        _one_of(tags, "adkim", "rs", "r"),
        _one_of(tags, "aspf", "rs", "r"),
        _number(tags, "pct", 100, 100),
        _one_of(tags, "t", "yn", "n") == "y",
        tuple(one for one in _listed(tags, "fo") if one in _FAILURES) or ("0",),
        _listed(tags, "rf") or ("afrf",),
        _number(tags, "ri", INTERVAL_SECONDS, INTERVAL_SECONDS_MAX),
        rua,
        _uris(tags.get("ruf", "")),
    )


_remembered = lru_cache(maxsize=256)(_parse)


def _one_of(tags: dict[str, str], name: str, allowed: str, default: str) -> str:
    value = tags.get(name, "").lower()
    return value if len(value) == 1 and value in allowed else default


def _number(tags: dict[str, str], name: str, default: int, most: int) -> int:
    value = tags.get(name, "")
    return int(value) if _DIGITS.fullmatch(value) and int(value) <= most else default


def _listed(tags: dict[str, str], name: str) -> tuple[str, ...]:
    words = (word.strip(" \t").lower() for word in tags.get(name, "").split(":"))
    return tuple(dict.fromkeys(word for word in words if word))


def _uris(value: str) -> tuple[ReportUri, ...]:
    """The URIs of a list that can be read; a mailto without an address cannot."""
    found: list[ReportUri] = []
    for part in value.split(",", URIS_MAX)[:URIS_MAX]:
        match = _URI.fullmatch(part.strip(" \t"))
        if match is None:
            continue
        scheme, rest, digits, unit = match.groups()
        address = None
        if scheme.lower() == "mailto":
            # The address ends at its header fields, and is percent-encoded.
            address = _address(unquote(rest.partition("?")[0], errors="replace"))
            if address is None:
                continue
        limit = int(digits) * _UNITS[unit.lower()] if digits else None
        found.append(ReportUri(f"{scheme}:{rest}", address, limit))
    return tuple(found)


def _address(text: str) -> Address | None:
    try:
        return parse_address(text, strict=False)
    except BadAddress:
        return None
