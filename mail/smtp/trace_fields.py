"""The trace fields a server puts in front of a message: Return-Path, Delivered-To, Received. RFC 5321 §4.4.

Everything a stranger chose (his EHLO name) is written with printable ASCII only, and never long enough to break a line
limit, so that no field of ours can be ended or forged by it.
"""

import ipaddress
import re
import time
from dataclasses import dataclass
from functools import lru_cache

from mail.address import Address

# RFC 5322 §3.3
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SAFE_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


@dataclass(frozen=True, slots=True)
class Hop:
    """What is said of one hop. `ip` empty: a user's address is not told to the world."""

    hostname: str
    cid: str
    ehlo_name: str
    ip: str
    protocol: str  # "ESMTPS" and its like, see `protocol()`
    tls: str  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty


def protocol(*, extended: bool, smtputf8: bool, tls: bool, authenticated: bool) -> str:
    """The WITH keyword. RFC 3848, RFC 6531 §4.3."""
    if not extended:
        return "SMTP"
    name = "UTF8SMTP" if smtputf8 else "ESMTP"
    return name + ("S" if tls else "") + ("A" if authenticated else "")


def received(hop: Hop, *, at_ms: int, recipient: Address | None) -> bytes:
    """One Received field; `recipient` only when there is a single one, so that no blind copy is told to another."""
    ehlo_name = hop.ehlo_name if _SAFE_NAME.fullmatch(hop.ehlo_name) else "unknown"
    client = f"from {ehlo_name} ({_literal(hop.ip)})\r\n\t" if hop.ip else ""
    tls = f" ({hop.tls})" if hop.tls else ""
    wanted = f"\r\n\tfor <{recipient}>" if recipient is not None else ""
    return (
        f"Received: {client}by {hop.hostname} (Mailstead) with {hop.protocol} id {hop.cid}{tls}{wanted};"
        f"\r\n\t{date(at_ms // 1000)}\r\n"
    ).encode()


def return_path(reverse_path: Address | None) -> bytes:
    return f"Return-Path: <{reverse_path or ''}>\r\n".encode()


def delivered_to(recipient: Address) -> bytes:
    return f"Delivered-To: {recipient}\r\n".encode()


def without_return_path(prefix: bytes) -> bytes:
    """Fields of ours for a message that goes on to another host: he who delivers it there writes his own."""
    return prefix.partition(b"\r\n")[2] if prefix.startswith(b"Return-Path:") else prefix


@lru_cache(maxsize=8)
def date(seconds: int) -> str:
    """RFC 5322 §3.3, always in UTC: where a server stands is not the recipients' business."""
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
        f" {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"
    )


@lru_cache(maxsize=4096)
def _literal(ip: str) -> str:
    """RFC 5321 §4.1.3."""
    return f"[IPv6:{ip}]" if ipaddress.ip_address(ip).version == 6 else f"[{ip}]"
