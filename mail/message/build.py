"""Building a header we generate, so that nothing in a value can become another field (security MC-2).

Every value is checked before, encoded words by what they decode to, and the finished octets are read again by our own
parser after: the fields found must be the fields meant.
RFC 5322 §2.1.1, §2.2.3 (folding), RFC 2047 (encoded words), RFC 2231 (file names).
"""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from mail.address import Address
from mail.errors import Bug, Invalid
from mail.message.fields import FIELD_MAX, parse_header
from mail.message.words import decode_words

LINE_MAX = 78
LINE_LIMIT = 998
WORD_OCTETS = 45
# What a word may have to stay unencoded: room for a name and a delimiter on its line.
WORD_MAX = 800
FILENAME_MAX = 255
PIECE_MAX = 60

_NAME = re.compile(r"[!-9;-~]+")
# C0, DEL, C1, the separators that some reader takes for a line end, and halves of characters.
_FORBIDDEN = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\u2028\u2029\ud800-\udfff]")
_TOKENS = re.compile(r"[^ \t]+[ \t]*")
# 1*atom, with one blank between them (RFC 5322 §3.2.5)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# Without quotes to escape, and without what some reader decodes: a percent sign, an asterisk, an encoded word.
_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9 !#$&()+,.@^_`{}~=-]{1,60}")


def checked_text(text: str) -> str:
    """Invalid when the text holds a control character or a line end, as it is or in an encoded word."""
    if _FORBIDDEN.search(text) or ("=?" in text and _FORBIDDEN.search(decode_words(text.encode(), FIELD_MAX))):
        raise Invalid(public="a header value must not contain control characters or line ends")
    return text


def encode_text(text: str) -> str:
    """Unstructured text in ASCII: as it is, or as encoded words of whole characters."""
    if text.isascii() and "=?" not in text and max(map(len, text.split(" "))) <= WORD_MAX:
        return text
    words: list[str] = []
    held = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(held) + len(octets) > WORD_OCTETS:
            words.append(_word(held))
            held = b""
        held += octets
    return " ".join([*words, _word(held)])


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(octets).decode()}?="


def address_list(people: Iterable[tuple[str, Address]]) -> str:
    """The value of a To, From or Reply-To field. Invalid for a name that cannot be in a header.

    A localpart that is not ASCII is written as it is: only a transaction with SMTPUTF8 may carry it.
    """
    return ", ".join(f"{_phrase(name)} <{address}>" if name else str(address) for name, address in people)


def _phrase(name: str) -> str:
    encoded = encode_text(checked_text(name))
    if encoded != name or _ATOMS.fullmatch(name):
        return encoded
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def filename_parameter(filename: str) -> str:
    """`filename=...` for a Content-Disposition: as it is, or in UTF-8 and in pieces (RFC 2231 §3 and §4).

    Invalid for a name that cannot be in a header or is too long for any file.
    """
    if len(checked_text(filename)) > FILENAME_MAX:
        raise Invalid(public="the file name is too long")
    if _PLAIN_FILENAME.fullmatch(filename):
        return f'filename="{filename}"'
    pieces = ["utf-8''"]
    for character in filename:
        escaped = quote(character, safe="")
        if len(pieces[-1]) + len(escaped) > PIECE_MAX:
            pieces.append("")
        pieces[-1] += escaped
    if len(pieces) == 1:
        return f"filename*={pieces[0]}"
    return "; ".join(f"filename*{number}*={piece}" for number, piece in enumerate(pieces))


def fold(name: str, value: str) -> bytes:
    """The field with its CRLF, folded at white space where lines get long. Invalid when that is not short enough."""
    whole = f"{name}: {value}"
    if len(whole) <= LINE_MAX and value and value == value.strip(" \t"):
        return whole.encode() + b"\r\n"
    lines = [f"{name}:"]
    for token in _TOKENS.findall(value):
        if len(lines[-1]) + 1 + len(token.rstrip(" \t")) > LINE_MAX and lines[-1].strip(" \t"):
            lines.append("")
        lines[-1] += (" " if not lines[-1] or lines[-1].endswith(":") else "") + token
    encoded = [line.rstrip(" \t").encode() for line in lines]
    if max(map(len, encoded)) > LINE_LIMIT or sum(map(len, encoded)) + 2 * len(encoded) > FIELD_MAX:
        raise Invalid(public="a header value is too long")
    return b"\r\n".join(encoded) + b"\r\n"


def build_header(fields: list[tuple[str, str]]) -> bytes:
    """A header without its empty line. Invalid for a name or a value that cannot be one."""
    return build_fields([(name, checked_text(value)) for name, value in fields])


def build_fields(fields: list[tuple[str, str]]) -> bytes:
    """Fields that are no header of a message, and where encoded words are but text: those of a delivery status."""
    parts: list[bytes] = []
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise Invalid(public=f"{name!r} is no header field name")
        if _FORBIDDEN.search(value):
            raise Invalid(public="a field value must not contain control characters or line ends")
        parts.append(fold(name, value))
    octets = b"".join(parts)
    found = [field.name for field in parse_header(octets + b"\r\n").fields]
    if found != [name.lower().encode() for name, _ in fields]:
        raise Bug("a generated header reads back otherwise than it was meant")
    return octets
