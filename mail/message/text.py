"""Octets to text: what a message declares of its charset, believed where that can be.

1. A declared charset goes by its web name (the WHATWG encoding list), and is used when the octets fit it.
2. Nothing, or US-ASCII, declared: the marks of ISO-2022-JP and UTF-16, which are sure, then UTF-8.
3. Then windows-1252, which takes everything: guessing by frequency would never have its turn, and would guess wrong.
"""

import binascii
import codecs
import quopri
import re
from functools import lru_cache

# What the web's encoding list calls otherwise than Python, by Python's name.
WEB = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    # The superset that has half-width katakana, which real mail has.
    "iso2022_jp": "iso2022_jp_ext",
}
# Labels of that list, and of old mailers, that Python lacks.
LABELS = {
    "iso-8859-6-e": "iso8859-6",
    "iso-8859-6-i": "iso8859-6",
    "csiso88596e": "iso8859-6",
    "csiso88596i": "iso8859-6",
    "sun_eu_greek": "iso8859-7",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-8-i": "iso8859-8",
    "csiso88598e": "iso8859-8",
    "csiso88598i": "iso8859-8",
    "visual": "iso8859-8",
    "logical": "iso8859-8",
    "csisolatin9": "iso8859-15",
    "koi": "koi8-r",
    "koi8": "koi8-r",
    "mac": "mac-roman",
    "macintosh": "mac-roman",
    "csmacintosh": "mac-roman",
    "x-mac-roman": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ukrainian": "mac-cyrillic",
    "dos-874": "cp874",
    "windows-874": "cp874",
    "csgb2312": "gb18030",
    "gb_2312": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "cn-big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "cseucpkdfmtjapanese": "euc_jp",
    "x-euc-jp": "euc_jp",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "cseuckr": "cp949",
    "csksc56011987": "cp949",
    "iso-ir-149": "cp949",
    "ks_c_5601-1989": "cp949",
    "ksc_5601": "cp949",
    "windows-949": "cp949",
    "unicode-1-1-utf-8": "utf-8",
    "unicode11utf8": "utf-8",
    "unicode20utf8": "utf-8",
    "x-unicode20utf8": "utf-8",
}
# iso88591, x-cp1251, cp-850: a hyphen more or fewer than Python knows.
_SPELLED = (
    (re.compile(r"iso8859(\d\d?)"), "iso8859-"),
    (re.compile(r"x-cp(\d+)"), "cp"),
    (re.compile(r"cp-(\d+)"), "cp"),
)
_NAME = re.compile(r"[a-z0-9._:+-]{1,40}")

# Codecs of Python that are no charsets, or that a message must not choose: UTF-7 hides markup in ASCII.
REFUSED = frozenset({"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
_MARKUP = b"<script>&#0123456789;=\"'/abcxyzABCXYZ"

# The escapes of ISO-2022-JP, which mean nothing in any other charset of mail.
_JAPANESE = re.compile(rb"\x1b(?:\$[@B(]|\([BJI])")
_BYTE_ORDER = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}


@lru_cache(maxsize=256)
def codec_for(charset: str) -> str | None:
    """Python's name for a declared charset; None when there is none that we use."""
    name = charset.strip().strip("\"'").lower()
    if not _NAME.fullmatch(name):
        return None
    for spelled, begins in _SPELLED:
        match = spelled.fullmatch(name)
        if match is not None:
            name = begins + match[1]
    try:
        found = codecs.lookup(LABELS.get(name, name))
    except LookupError:
        return None
    # base64, zip and the like are codecs too, but not of text.
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("_", "-") in REFUSED:
        return None
    # An EBCDIC text looks like nothing to whoever looks for markup in it.
    if not found.name.startswith(("utf-16", "utf-32")) and _MARKUP.decode(found.name, "replace") != _MARKUP.decode():
        return None
    return WEB.get(found.name, found.name)


def decode(octets: bytes, charset: str = "") -> str:
    """Text for people and for searching. Never raises; what cannot be read becomes U+FFFD or a windows-1252 letter."""
    name = codec_for(charset) if charset else None
    if name is None or name == "ascii":
        return _undeclared(octets)
    try:
        return octets.decode(name)
    except UnicodeDecodeError:
        if name == "utf-8":
            return octets.decode(name, "replace")
    try:
        # What is valid UTF-8 is hardly ever meant otherwise.
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode(name, "replace")


def _undeclared(octets: bytes) -> str:
    if b"\x1b" in octets and _JAPANESE.search(octets):
        name = "iso2022_jp_ext"
    else:
        name = _BYTE_ORDER.get(octets[:2], "utf-8")
    try:
        return octets.decode(name)
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def decode_transfer(octets: bytes, encoding: str) -> bytes | None:
    """The content behind a Content-Transfer-Encoding, as much as can be read; None for an unknown one (RFC 2045 §6)."""
    match encoding.strip().lower():
        case "" | "7bit" | "8bit" | "binary":
            return octets
        case "quoted-printable":
            return quopri.decodestring(octets)
        case "base64":
            return decode_base64(octets)
        case _:
            return None


_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def decode_base64(octets: bytes) -> bytes:
    """Characters outside the alphabet are ignored, what is after padding too (RFC 2045 §6.8)."""
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        # The end is missing, or part of it.
        clean = octets.translate(None, _NOT_BASE64)
        whole = len(clean) - (len(clean) % 4 == 1)
        return binascii.a2b_base64(clean[:whole] + b"=" * (-whole % 4))
