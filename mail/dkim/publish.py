"""What an owner puts into the DNS for a key, and whether it is there.

A TXT record is a list of strings of at most 255 octets, which readers join (RFC 1035 §3.3.14, RFC 6376 §3.6.2.2): a
record with an RSA key of 2048 bits needs two.
"""

from mail.dkim.key import BadKey, ask, choose_key, key_name, parse_key
from mail.dns.resolver import Resolver

STRING_MAX = 255


def strings(record: str) -> list[str]:
    return [record[at : at + STRING_MAX] for at in range(0, len(record), STRING_MAX)]


def zone_line(selector: str, domain: str, record: str) -> str:
    """The record as a zone file has it."""
    return f"{key_name(selector, domain)}. IN TXT " + " ".join(f'"{one}"' for one in strings(record))


async def not_published(selector: str, domain: str, record: str, resolver: Resolver) -> str:
    """Why a receiver would not find the key; empty when he would."""
    own = parse_key(record)
    published = await ask(key_name(selector, domain), resolver)
    if published.failed:
        return "the DNS does not answer"
    if not published.records:
        return "there is no TXT record"
    try:
        found = choose_key(published.records, kind=own.kind, service="email")
    except BadKey as error:
        return f"the TXT record is of no use: {error}"
    return "" if found.public == own.public else "the TXT record has another key"
