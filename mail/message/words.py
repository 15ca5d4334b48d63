"""Encoded words (RFC 2047, with the language of RFC 2231 §5), decoded for people and for searching."""

import binascii
import itertools
import re

from mail.message.text import decode, decode_base64

WORDS_MAX = 100

# encoded-word = "=?" charset "?" encoding "?" encoded-text "?="; blanks in the text are forbidden, and written.
_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?\r\n]{0,2000})\?=")


def decode_words(value: bytes, most: int = WORDS_MAX) -> str:
    """The value as text. Never raises; at most `most` words are decoded, the rest stays as written."""
    text = decode(value)
    if "=?" not in text:
        return text
    parts: list[str] = []
    at = 0
    after_word = False
    # Neighbouring words of one charset may share a character: their octets are joined before decoding.
    held = b""
    held_charset = ""
    for match in itertools.islice(_WORD.finditer(text), most):
        charset, encoding, encoded = match.groups()
        octets = _octets(encoding, encoded)
        between = text[at : match.start()]
        # RFC 2047 §6.2: white space between two words is not shown.
        joined = after_word and not between.strip(" \t\r\n")
        if joined and charset.lower() == held_charset:
            held += octets
        else:
            parts += [decode(held, held_charset), "" if joined else between]
            held, held_charset = octets, charset.lower()
        at, after_word = match.end(), True
    parts += [decode(held, held_charset), text[at:]]
    return "".join(parts)


def _octets(encoding: str, encoded: str) -> bytes:
    raw = encoded.encode("utf-8", "replace")
    return decode_base64(raw) if encoding in "bB" else binascii.a2b_qp(raw, header=True)
