"""Octets to text: the declared charset by its web name, then UTF-8, then windows-1252, which takes everything."""

import base64
import binascii
import codecs
import quopri
import re
from functools import lru_cache

# The names the web's encoding list maps elsewhere than Python does, or that Python lacks.
ALIASES = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "iso-8859-9": "cp1254",
    "latin5": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "unicode-1-1-utf-8": "utf-8",
    "utf8": "utf-8",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}

# Python codecs that are no charsets, or that a message must not choose: UTF-7 hides markup in ASCII.
REFUSED = frozenset({"utf-7", "utf7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs"})
_NAME = re.compile(r"[a-z0-9._:+-]{1,40}")


@lru_cache(maxsize=256)
def codec_for(charset: str) -> str | None:
    """Python's name for a declared charset; None when there is none that we use."""
    name = charset.strip().strip("\"'").lower()
    if not _NAME.fullmatch(name) or name in REFUSED:
        return None
    name = ALIASES.get(name, name)
    try:
        found = codecs.lookup(name)
    except LookupError:
        return None
    # base64, zip and the like are codecs too, but not of text.
    return found.name if getattr(found, "_is_text_encoding", True) and found.name not in REFUSED else None


def decode(octets: bytes, charset: str = "") -> str:
    """Text for people and for searching. Never raises; what cannot be read becomes U+FFFD or a windows-1252 letter."""
    name = codec_for(charset) if charset else None
    if name is not None and name not in ("cp1252", "utf-8"):
        return octets.decode(name, "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("utf-8" if name == "utf-8" else "cp1252", "replace")


def decode_transfer(octets: bytes, encoding: str) -> bytes | None:
    """The content behind a Content-Transfer-Encoding, as much as can be read; None for an unknown one (RFC 2045 §6)."""
    match encoding.strip().lower():
        case "" | "7bit" | "8bit" | "binary":
            return octets
        case "quoted-printable":
            return quopri.decodestring(octets)
        case "base64":
            return _decode_base64(octets)
        case _:
            return None


_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def _decode_base64(octets: bytes) -> bytes:
    """Characters outside the alphabet are ignored, what is after padding too (RFC 2045 §6.8)."""
    clean = octets.partition(b"=")[0].translate(None, _NOT_BASE64)
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    try:
        return base64.b64decode(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        return b""
