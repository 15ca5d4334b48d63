"""The TXT record at `_mta-sts.<domain>`: that there is a policy, and which one (RFC 8461 §3.1)."""

import re
from dataclasses import dataclass

from mail.dns.resolver import NoRecords, Resolver

# sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
# sts-field-delim = *WSP ";" *WSP
_DELIMITER = re.compile(r"[ \t]*;[ \t]*")
# sts-id = %s"id=" 1*32(ALPHA / DIGIT)
_ID = re.compile(r"id=([A-Za-z0-9]{1,32})")
# sts-extension = sts-ext-name "=" sts-ext-value
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+")
VERSION = "v=STSv1"


class NoPolicy(Exception):
    """The domain has no policy to ask for; `reason` is a stable word: no-record, multiple-records, record-syntax."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    id: str


def parse_record(text: str) -> Record:
    """NoPolicy when it is not of that form."""
    version, *rest = _DELIMITER.split(text.rstrip(" \t"))
    if rest and not rest[-1]:
        rest.pop()
    ids = [match[1] for match in map(_ID.fullmatch, rest) if match]
    others = [part for part in rest if not _ID.fullmatch(part)]
    unreadable = any(part.startswith("id=") or not _EXTENSION.fullmatch(part) for part in others)
    if version != VERSION or not ids or unreadable:
        raise NoPolicy("record-syntax")
    return Record(ids[0])


async def lookup_record(resolver: Resolver, domain: str) -> Record:
    """NoPolicy, LookupFailed."""
    try:
        answer = await resolver.lookup(f"_mta-sts.{domain}", "TXT")
    except NoRecords as error:
        raise NoPolicy("no-record") from error
    # Records that do not begin with "v=STSv1;" are discarded; unless one is left, there is no policy.
    found = [text for text in answer.records if _DELIMITER.split(text, maxsplit=1)[0] == VERSION]
    if len(found) != 1:
        raise NoPolicy("multiple-records" if found else "no-record")
    return parse_record(found[0])
