"""The author of a message: the one strict reading of From, for DMARC, filters, policy and display.

A message has one author when it has one From field with one mailbox in it, and no reader can see another. Everything
else is a defect, and a message with a defect is never authenticated, whatever SPF and DKIM say (security MC-10):

    no-from, several-from-fields          how many fields there are
    several-authors, group, no-author     how many mailboxes there are in it
    unparsable-from                       not of RFC 5322's grammar, or IMAP's ENVELOPE would show another address
    encoded-word-address                  an encoded word where the address is
    non-ascii                             octets above 127 in From without SMTPUTF8, or that are no UTF-8 (RFC 6532)
    long-line, blank-continuation         some reader would cut the field there
    not-a-field                           a line that is no field before From: some reader ends the header there
    and all of mail.message.fields but a line that is no field after From

The grammar is that of RFC 5322 §3.4 with what harmless senders do: dots and brackets in a name, white space inside the
angle brackets, an unquoted address for a name if it is the same one. There are no routes (RFC 5322 §4.4), and comments
only around an address, never in it.
"""

import re
import unicodedata
from dataclasses import dataclass

import idna

from mail.address import Address, parse_address
from mail.errors import BadAddress
from mail.message.addresses import GROUP_START, Mailbox, parse_addresses
from mail.message.fields import Header
from mail.message.parameters import read_quoted
from mail.message.words import decode_words

LINE_MAX = 998  # RFC 5322 §2.1.1
VALUE_MAX = 8192

# A line of white space alone in a folded field (RFC 5322 §3.2.2 forbids it).
_BLANK_LINE = re.compile(rb"\r\n[ \t]+\r\n")

# Repeated alternatives begin with different octets, so that no value takes long; comments are taken out before.
# No possessive quantifiers here: those of Python 3.11.2 match what they must not (gh-106052).
# qtext and quoted-pair
_QUOTED = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*"'
# atext, and UTF8-non-ascii
_ATEXT = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff\-"
_ADDRESS = rb"(?:[" + _ATEXT + rb".]+|" + _QUOTED + rb")@(?:[A-Za-z0-9._\x80-\xff\-]+|\[[0-9A-Za-z.:]+\])"
# phrase, with the names there are: atoms, dots, brackets
_PHRASE = rb"(?:[ \t" + _ATEXT + rb".\[\]]|" + _QUOTED + rb")*"

# mailbox = name-addr / addr-spec
_BARE = re.compile(rb"[ \t]*(" + _ADDRESS + rb")[ \t]*")
_NAMED = re.compile(_PHRASE + rb"<[ \t]*(" + _ADDRESS + rb")[ \t]*>[ \t]*")
_SAME_TWICE = re.compile(rb"[ \t]*(" + _ADDRESS + rb")[ \t]*<[ \t]*(" + _ADDRESS + rb")[ \t]*>[ \t]*")
# What opens, closes or escapes in a comment or a quoted string.
_DELIMITER = re.compile(rb'\\.?|["()]', re.DOTALL)

# Security MC-8: C0, C1, zero width and direction marks never reach a reader.
_UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")
_ADDRESS_IN_NAME = re.compile(r"[^\s<>()\[\],;:\"'\\@]{1,128}@[^\s<>()\[\],;:\"'\\@]{1,253}")


@dataclass(frozen=True, slots=True)
class Author:
    """`address` is None where there are defects. `name` is decoded and safe to show beside the address;
    `name_deceives`: it holds an address, and not the author's (security MC-8).
    """

    address: Address | None
    name: str
    defects: tuple[str, ...]
    name_deceives: bool = False


def author(header: Header, *, smtputf8: bool = False) -> Author:
    """`smtputf8`: the message came in a transaction that allows UTF-8 in its header. Never raises."""
    defects = [defect for defect in header.defects if defect != "not-a-field"]
    places = [place for place, field in enumerate(header.fields) if field.name == b"from"]
    if len(places) != 1:
        return Author(None, "", (*defects, "several-from-fields" if places else "no-from"))
    place = places[0]
    if header.unbroken <= place and "leading-continuation" not in defects:
        defects.append("not-a-field")
    field = header.fields[place]
    if _BLANK_LINE.search(field.raw):
        defects.append("blank-continuation")
    if any(len(line) > LINE_MAX for line in field.raw.split(b"\r\n")):
        defects.append("long-line")
    if not field.value.isascii() and not (smtputf8 and _is_utf8(field.value)):
        defects.append("non-ascii")
    address, name, defect = _read(field.value)
    if defect:
        defects.append(defect)
    if defects or address is None:
        return Author(None, name, tuple(defects))
    return Author(address, name, (), _deceives(name, address))


def shown_name(name: bytes) -> str:
    """A display name as text without what a reader cannot see (security MC-8)."""
    return _UNSEEN.sub("", decode_words(name)).strip()


def _read(value: bytes) -> tuple[Address | None, str, str]:
    """The address, the display name, and the defect word; what IMAP shows is read by the same `parse_addresses`."""
    shown = parse_addresses(value[:VALUE_MAX])
    mailboxes = [one for one in shown if not one.kind]
    name = shown_name(mailboxes[0].name) if mailboxes else ""
    if any(one.kind == GROUP_START for one in shown):
        return None, name, "group"
    if len(mailboxes) != 1:
        return None, name, "several-authors" if mailboxes else "no-author"
    only = mailboxes[0]
    if b"=?" in only.localpart or b"=?" in only.domain:
        return None, name, "encoded-word-address"
    written = _address_written(value) if len(value) <= VALUE_MAX else None
    address = _parsed(written) if written is not None else None
    if written is None or address is None or not _is_shown(written, address, only):
        return None, name, "unparsable-from"
    return address, name, ""


def _without_comments(value: bytes) -> bytes | None:
    """The value with one space for each comment (RFC 5322 §3.2.2); None when their parentheses do not match."""
    if b"(" not in value and b")" not in value:
        return value
    kept: list[bytes] = []
    depth = start = 0
    quoted = False
    for match in _DELIMITER.finditer(value):
        octet = match[0]
        if octet == b'"' and not depth:
            quoted = not quoted
        elif octet == b"(" and not quoted:
            if not depth:
                kept.append(value[start : match.start()])
            depth += 1
        elif octet == b")" and not quoted:
            depth -= 1
            if depth < 0:
                return None
            start = match.end()
    return None if depth else b" ".join([*kept, value[start:]])


def _address_written(value: bytes) -> bytes | None:
    """The addr-spec of a value that is one mailbox, as it is written."""
    text = _without_comments(value)
    if text is None:
        return None
    match = _NAMED.fullmatch(text) or _BARE.fullmatch(text)
    if match is not None:
        return match[1]
    match = _SAME_TWICE.fullmatch(text)
    return match[2] if match is not None and match[1].lower() == match[2].lower() else None


def _parsed(written: bytes) -> Address | None:
    try:
        return parse_address(written.decode(), strict=False)
    except (BadAddress, UnicodeDecodeError):
        return None


def _is_shown(written: bytes, address: Address, shown: Mailbox) -> bool:
    """Does ENVELOPE show that address, and is a domain in U-labels written as what it is compared as?"""
    localpart, _, domain = written.rpartition(b"@")
    if localpart.startswith(b'"'):
        localpart = read_quoted(localpart, 0)[0]
    if shown.route or (shown.localpart, shown.domain) != (localpart, domain):
        return False
    if domain.isascii():
        return True
    try:
        return idna.decode(address.domain) == unicodedata.normalize("NFC", domain.decode()).lower()
    except (idna.IDNAError, UnicodeError):
        return False


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _deceives(name: str, address: Address) -> bool:
    if name.isascii() and "@" not in name:
        return False
    claimed = _ADDRESS_IN_NAME.findall(unicodedata.normalize("NFKC", name))
    return any(one.rstrip(".").casefold() != str(address).casefold() for one in claimed)
