"""What the sign process is asked for, written by its callers and read by it: canonical text and a hash, never a message
(security §4.2, signd).
"""

import binascii
import re
from dataclasses import dataclass
from typing import Any

from mail.dkim.sign import Prepared
from mail.errors import Invalid

SELECTORS_MAX = 8
NAMES_MAX = 4000
HEADER_MAX = 512 << 10
IDENTITY_MAX = 256
HASH_OCTETS = 32

# hdr-name = field-name; here in lower case, and `;` would end the tag.
_NAME = re.compile(rb"[!-9<-@\[-~]{1,998}")


@dataclass(frozen=True, slots=True)
class Order:
    domain: str
    selectors: tuple[str, ...]
    identity: str
    prepared: Prepared


def as_json(order: Order) -> dict[str, Any]:
    return {
        "domain": order.domain,
        "selectors": order.selectors,
        "identity": order.identity,
        "names": b":".join(order.prepared.names).decode("latin-1"),
        "header": order.prepared.header.decode("latin-1"),
        "body_hash": order.prepared.body_hash.hex(),
    }


def read_order(args: dict[str, Any]) -> Order:
    """Invalid for what no caller of ours asks."""
    try:
        domain, identity = str(args["domain"]), str(args["identity"])
        selectors = tuple(map(str, args["selectors"]))
        names = tuple(str(args["names"]).encode("latin-1").split(b":"))
        header = str(args["header"]).encode("latin-1")
        body_hash = binascii.unhexlify(str(args["body_hash"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(public="not an order to sign") from error
    fits = 1 <= len(selectors) <= SELECTORS_MAX and len(names) <= NAMES_MAX and len(header) <= HEADER_MAX
    if not fits or len(identity) > IDENTITY_MAX or len(body_hash) != HASH_OCTETS:
        raise Invalid(public="an order to sign that is beyond its limits")
    if b"from" not in names or not all(map(_NAME.fullmatch, names)):
        raise Invalid(public="an order to sign fields that are none, or not From")  # RFC 6376 §5.4
    return Order(domain, selectors, identity, Prepared(names, header, body_hash))
