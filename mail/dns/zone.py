"""A DNS read from zones written down as plain values: what test suites of SPF publish, and what JSON can say.

    ZoneResolver({"a.example": [{"TXT": "v=spf1 mx -all"}, {"MX": [10, "mx.a.example"]}], "b.example": ["TIMEOUT"]})

1. A name has a list of records, each one `{TYPE: value}`. MX is `[preference, host]`, TXT a text or a list of texts,
   which are joined; everything else is a text in presentation format.
2. `{TYPE: "TIMEOUT"}` fails every question of that type; the bare `TIMEOUT` fails every question at that name that the
   records before it do not answer, and may stand for the whole list.
3. `SPF` stands for a TXT at the end of the list unless the name has a TXT of its own; `{"TXT": "NONE"}` is one that is
   not there.
4. A name that is not in the zones does not exist, but for those in `error.`, which fail: so the drivers of the suites
   have it. CNAMEs are followed. What there is and is not at a name with `{SECURE: yes}` is secure, and nothing else.
5. Texts are octets: a character up to U+00FF is that octet, a text with others is taken as its UTF-8.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from mail.dns.resolver import CNAMES_MAX, Answer, LookupFailed, NoRecords
from mail.errors import Invalid

TIMEOUT = "TIMEOUT"
SECURE = "SECURE"
HOSTS = ("CNAME", "NS", "PTR")
_PREFERENCE = re.compile(r"[0-9]{1,5}")

# The records by kind; None where the question fails.
_Node = dict[str, list[str] | None]


class ZoneResolver:
    """`asked` lists every question in order. Raises `Invalid` when the zones are not of that shape."""

    def __init__(self, zonedata: Mapping[str, Any]) -> None:
        if not isinstance(zonedata, Mapping):
            raise _invalid("zones are written as names with a list of records each")
        self._names: dict[str, _Node] = {}
        self._answered: dict[str, frozenset[str]] = {}  # where there is a bare TIMEOUT: the types that do not fail
        for name, records in zonedata.items():
            if not isinstance(name, str):
                raise _invalid(f"not a name: {name!r}")
            self._add(_key(name), records)
        self.asked: list[str] = []

    async def lookup(self, name: str, kind: str) -> Answer:
        at, secure = _key(name), True
        for _ in range(CNAMES_MAX):
            question = f"{kind} {at}"
            self.asked.append(question)
            node = self._names.get(at)
            if node is None and not at.startswith("error."):
                raise NoRecords(question, exists=False)
            secure = secure and bool(node and node.get(SECURE))
            records, alias = self._found(at, kind), self._found(at, "CNAME")
            if records:
                return Answer(tuple(records), secure, at)
            if records is None and not alias:
                raise LookupFailed(question)
            if not alias:
                raise NoRecords(question, exists=True, secure=secure)
            at = _key(alias[0])
        raise LookupFailed(f"CNAME chain of {name}")

    def _found(self, name: str, kind: str) -> list[str] | None:
        node = self._names.get(name)
        if node is None or kind not in self._answered.get(name, (kind,)):
            return None
        return node.get(kind, [])

    def _add(self, name: str, records: Any) -> None:
        if records == TIMEOUT:
            records = [TIMEOUT]
        if not isinstance(records, list):
            raise _invalid(f"{name}: the records must be a list")
        node = self._names.setdefault(name, {})
        has_txt = False
        spf: list[str] = []
        for record in records:
            if record == TIMEOUT:
                self._answered.setdefault(name, frozenset(node))
                continue
            kind, value = _pair(name, record)
            has_txt = has_txt or kind == "TXT"
            if value == TIMEOUT:
                node[kind] = None
            elif value != "NONE":
                records_of_kind = spf if kind == "SPF" else node.setdefault(kind, [])
                if records_of_kind is not None:
                    records_of_kind.append(_text(name, kind, value))
        if spf and not has_txt:
            node.setdefault("TXT", spf)


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _invalid(problem: str) -> Invalid:
    return Invalid(public=f"bad zone: {problem}")


def _pair(name: str, record: Any) -> tuple[str, Any]:
    if not isinstance(record, Mapping) or len(record) != 1:
        raise _invalid(f"{name}: a record is one type with one value, not {record!r:.80}")
    kind, value = next(iter(record.items()))
    if not isinstance(kind, str) or not kind.isalnum():
        raise _invalid(f"{name}: not a record type: {kind!r:.80}")
    return kind.upper(), value


def _text(name: str, kind: str, value: Any) -> str:
    """The record in presentation format."""
    if kind in ("TXT", "SPF"):
        return "".join(_octets(name, part) for part in (value if isinstance(value, list) else [value]))
    if kind == "MX":
        return _mx(name, value)
    if not isinstance(value, str):
        raise _invalid(f"{name}: the value of {kind} must be a text, not {value!r:.80}")
    if kind in HOSTS:
        return f"{value.rstrip('.')}."
    if kind in ("A", "AAAA"):
        try:
            return str((ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address)(value))
        except ValueError as error:
            raise _invalid(f"{name}: not an address of {kind}: {value!r:.80}") from error
    return value


def _octets(name: str, part: Any) -> str:
    if isinstance(part, bytes):
        return part.decode("latin-1")
    if not isinstance(part, str):
        raise _invalid(f"{name}: a TXT record is a text or a list of texts, not {part!r:.80}")
    if max(part, default="") <= "\xff":
        return part
    return part.encode("utf-8", "surrogatepass").decode("latin-1")


def _mx(name: str, value: Any) -> str:
    match value:
        case [int() | str() as preference, str() as host] if _PREFERENCE.fullmatch(str(preference)):
            return f"{preference} {host.rstrip('.')}."
    raise _invalid(f"{name}: MX is [preference, host], not {value!r:.80}")
