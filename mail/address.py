"""The one address type, and the one parser that makes it.

1. A localpart is kept unquoted and in NFC, a domain as lower-case A-labels without a trailing dot, or as an address
   literal (`[127.0.0.1]`, `[IPv6:::1]`). Two addresses that mean the same host and mailbox name compare equal, but
   for the case and the separators of the localpart, which the receiving domain decides (`canonical`).
2. Nothing is guessed: no source routes, no comments, no second `@`, no full-width dots, no percent or bang routing
   (those characters are ordinary in a localpart and lead nowhere).
3. `strict=False` takes what real senders use: dots anywhere in the localpart, up to 128 octets of it, and
   underscores in the domain.

RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3, RFC 5891.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from mail.errors import BadAddress

LOCALPART_OCTETS = 64  # RFC 5321 §4.5.3.1.1
LOCALPART_OCTETS_LENIENT = 128
DOMAIN_OCTETS = 253  # RFC 1035 §2.3.4, written without the trailing dot
ADDRESS_CHARACTERS = 512  # what we look at; longer ones cannot be valid

# atext = ALPHA / DIGIT / "!" / "#" / ... (RFC 5322 §3.2.3), or UTF8-non-ascii (RFC 6531 §3.3).
# Dot-string = Atom *("." Atom)
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_LOOSE_DOT_STRING = re.compile(rf"(?:{_ATEXT}|\.)+")
# sub-domain = Let-dig [Ldh-str]
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOOSE_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# IDNA would take these for dots; in a command they are only a way to look like another name.
_FOREIGN_DOTS = frozenset("\u3002\uff0e\uff61")


@dataclass(frozen=True, slots=True)
class Address:
    localpart: str
    domain: str

    def __str__(self) -> str:
        """As it is written on the wire; the localpart quoted where it must be."""
        if _DOT_STRING.fullmatch(self.localpart):
            return f"{self.localpart}@{self.domain}"
        quoted = self.localpart.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"@{self.domain}'

    @property
    def is_ascii(self) -> bool:
        """False: only a transaction with SMTPUTF8 can carry it. RFC 6531 §3.4."""
        return self.localpart.isascii()


def parse_address(text: str, *, strict: bool = True) -> Address:
    """Read `localpart@domain`; raises `BadAddress`."""
    if len(text) > ADDRESS_CHARACTERS:
        raise BadAddress("address too long")
    if text.startswith('"'):
        localpart, end = _quoted_string(text)
        if text[end : end + 1] != "@":
            raise BadAddress(f"no domain after the localpart: {text!r}")
        domain = text[end + 1 :]
    else:
        localpart, at, domain = text.partition("@")
        if not at:
            raise BadAddress(f"no domain: {text!r}")
        if not (_DOT_STRING if strict else _LOOSE_DOT_STRING).fullmatch(localpart):
            raise BadAddress(f"bad localpart: {text!r}")
    if not localpart.isascii():
        localpart = _normalised(localpart)
    if len(localpart.encode()) > (LOCALPART_OCTETS if strict else LOCALPART_OCTETS_LENIENT):
        raise BadAddress("localpart too long")
    if domain.startswith("["):
        return Address(localpart, _address_literal(domain))
    if domain.endswith("."):
        raise BadAddress(f"domain ends in a dot: {text!r}")
    return Address(localpart, parse_domain(domain) if strict else _domain(domain, strict=False))


def parse_domain(text: str, *, strict: bool = True) -> str:
    """A domain name as lower-case A-labels without trailing dot; raises `BadAddress`."""
    return _domain(text.removesuffix("."), strict=strict)


def canonical(localpart: str, *, separators: str, case_sensitive: bool) -> str:
    """The localpart as its domain compares it: cut at each separator in turn, folded unless case matters."""
    localpart = unicodedata.normalize("NFC", localpart)
    for separator in separators:
        position = localpart.find(separator)
        if position > 0:
            localpart = localpart[:position]
    # Postmaster's case never matters (RFC 5321 §4.5.1).
    if case_sensitive and localpart.lower() != "postmaster":
        return localpart
    # Folding can undo the normal form, so it is made again.
    return unicodedata.normalize("NFC", localpart.casefold())


def _quoted_string(text: str) -> tuple[str, int]:
    """The content of the Quoted-string that `text` begins with, and where it ends."""
    content: list[str] = []
    position = 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(content), position + 1
        if character == "\\":  # quoted-pairSMTP = %d92 %d32-126
            position += 1
            character = text[position : position + 1]
            if not " " <= character <= "~":
                raise BadAddress(f"bad quoted pair: {text!r}")
        elif not character.isprintable() and character.isascii():  # qtextSMTP = %d32-33 / %d35-91 / %d93-126
            raise BadAddress(f"control character in localpart: {text!r}")
        content.append(character)
        position += 1
    raise BadAddress(f"quote not closed: {text!r}")


def _normalised(localpart: str) -> str:
    for character in localpart:
        # Controls, surrogates (octets that were not UTF-8) and line separators name no mailbox.
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise BadAddress(f"character not allowed in localpart: {localpart!r}")
    return unicodedata.normalize("NFC", localpart)


@lru_cache(maxsize=4096)
def _domain(text: str, *, strict: bool) -> str:
    if not text or len(text) > DOMAIN_OCTETS:
        raise BadAddress(f"bad domain: {text[:80]!r}")
    label = _LABEL if strict else _LOOSE_LABEL
    labels = [part if part.isascii() else _a_label(part) for part in text.lower().split(".")]
    if not all(label.fullmatch(part) for part in labels):
        raise BadAddress(f"bad domain: {text!r}")
    name = ".".join(labels)
    if len(name) > DOMAIN_OCTETS:
        raise BadAddress(f"domain too long: {text!r}")
    return name


def _a_label(label: str) -> str:
    if not _FOREIGN_DOTS.isdisjoint(label):
        raise BadAddress(f"bad domain label: {label!r}")
    try:
        return idna.encode(label, uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress(f"bad domain label: {label!r}") from error


def _address_literal(text: str) -> str:
    """`[127.0.0.1]` and `[IPv6:::1]`. RFC 5321 §4.1.3; General-address-literal has no registered user."""
    inside = text[1:-1]
    try:
        if not text.endswith("]"):
            raise ValueError("not closed")
        if inside[:5].lower() == "ipv6:":
            # A zone index (%) is no part of the grammar.
            if "%" in inside:
                raise ValueError("zone index")
            return f"[IPv6:{ipaddress.IPv6Address(inside[5:])}]"
        return f"[{ipaddress.IPv4Address(inside)}]"
    except ValueError as error:
        raise BadAddress(f"bad address literal: {text!r}") from error
