"""The Sender Rewriting Scheme: a reverse-path of ours for what we forward, that leads bounces back to the sender.

    ann@a.example              -> SRS0=HHHHHH=TT=a.example=ann@ours
    SRS0=x=y=z@b.example       -> SRS1=HHHHHH=b.example==x=y=z@ours     (forwarded once before: its host knows the rest)
    SRS1=x=b.example==y@c.example -> SRS1=HHHHHH=b.example==y@ours

HHHHHH are 30 bits of an HMAC over the rest, so that nobody can make addresses that we would forward to; TT is the day,
and 21 days later it is out of date. Relays may change the case of a localpart: nothing here depends on it, and the
case of the sender's own localpart is all that can get lost.
"""

import base64
import hashlib
import hmac
import re

from mail.address import LOCALPART_OCTETS, Address, parse_address
from mail.errors import BadAddress, Invalid

VALID_DAYS = 21
DAY_MS = 86_400_000
KEY_OCTETS = 32

_HASH_CHARACTERS = 6
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_DAYS = len(_BASE32) ** 2
_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
# The first separator may be any of these; we write =.
_SRS0 = re.compile(r"srs0[=+-]([a-z2-7]{6})=([a-z2-7]{2})=([^=]+)=(.+)", _FLAGS)
_SRS1 = re.compile(r"srs1[=+-]([^=]+)=([^=]+)=([=+-].+)", _FLAGS)
_FOREIGN_SRS0 = re.compile(r"srs0([=+-].+)", _FLAGS)


def forward(sender: Address, domain: str, key: bytes, now: int) -> Address:
    """The reverse-path at `domain` for a message of that sender. Invalid when it would be longer than addresses may be.

    `now` is in milliseconds, as everywhere.
    """
    first, again = _FOREIGN_SRS0.fullmatch(sender.localpart), _SRS1.fullmatch(sender.localpart)
    if first is not None:
        localpart = _srs1(sender.domain, first[1], key)
    elif again is not None:
        localpart = _srs1(again[2], again[3], key)
    else:
        day = _day(now)
        mac = _mac(key, day, sender.domain, sender.localpart)
        localpart = f"SRS0={mac}={day}={sender.domain}={sender.localpart}"
    if len(localpart.encode()) > LOCALPART_OCTETS:
        raise Invalid(f"too long to be rewritten: {sender}")
    return Address(localpart, domain)


def reverse(localpart: str, key: bytes, now: int) -> Address:
    """To whom mail for an SRS address of ours goes. Invalid when it is none, was not made by us, or is out of date."""
    first = _SRS0.fullmatch(localpart)
    if first is not None:
        mac, day, domain, sender = first.groups()
        _check(mac, _mac(key, day, domain, sender))
        if not _is_recent(day, now):
            raise Invalid("SRS address is out of date")
        return _address(sender, domain)
    again = _SRS1.fullmatch(localpart)
    if again is None:
        raise Invalid("no SRS address")
    mac, domain, rest = again.groups()
    _check(mac, _mac(key, domain, rest))
    return _address("SRS0" + rest, domain)


def looks_ours(localpart: str, now: int) -> bool:
    """Could `reverse` take it, as far as can be told without the key."""
    first = _SRS0.fullmatch(localpart)
    return _is_recent(first[2], now) if first is not None else _SRS1.fullmatch(localpart) is not None


def _srs1(domain: str, rest: str, key: bytes) -> str:
    return f"SRS1={_mac(key, domain, rest)}={domain}={rest}"


def _mac(key: bytes, *parts: str) -> str:
    text = "\0".join(parts).lower().encode("utf-8", "surrogatepass")
    return base64.b32encode(hmac.digest(key, text, hashlib.sha256)).decode()[:_HASH_CHARACTERS]


def _check(given: str, right: str) -> None:
    if not hmac.compare_digest(given.upper().encode("utf-8", "surrogatepass"), right.encode()):
        raise Invalid("SRS address is not ours")


def _day(now: int) -> str:
    high, low = divmod(now // DAY_MS % _DAYS, len(_BASE32))
    return (_BASE32[high] + _BASE32[low]).upper()


def _is_recent(day: str, now: int) -> bool:
    high, low = (_BASE32.index(character) for character in day.lower())
    return (now // DAY_MS - (high * len(_BASE32) + low)) % _DAYS <= VALID_DAYS


def _address(localpart: str, domain: str) -> Address:
    try:
        return parse_address(str(Address(localpart, domain)), strict=False)
    except BadAddress as error:
        raise Invalid(f"SRS address leads nowhere: {error}") from error
