"""Decoded text as people may be shown it: nothing that moves, hides or counterfeits other text (security MC-8).

What is decoded from a header may hold anything. Whoever shows it to people uses `shown` first; escaping for HTML or a
terminal is the viewer's and comes after.
"""

import re
import unicodedata

from mail.address import parse_address
from mail.errors import BadAddress

# Names are short; what is longer is looked at this far.
NAME_MAX = 1000

_GONE = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0xAD,  # soft hyphen
    0x34F,  # combining grapheme joiner
    0x61C,  # Arabic letter mark
    0x180E,
    *range(0x200B, 0x2010),  # zero width, and left-to-right and right-to-left marks
    *range(0x202A, 0x202F),  # bidi embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, bidi isolates
    0xFEFF,
    *range(0xFFF9, 0xFFFC),  # interlinear annotation
    *range(0xE0000, 0xE0080),  # tags: a second text that is not seen
]
_TABLE: dict[int, str | None] = dict.fromkeys(_GONE)
_TABLE.update(dict.fromkeys((0x09, 0x0A, 0x0D, 0x2028, 0x2029), " "))
_TABLE.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))

_IN_NAME = re.compile(r"[^\s<>()\[\]\"',;:@]{1,64} ?@ ?[^\s<>()\[\]\"',;:@]{1,63}\.[^\s<>()\[\]\"',;:@]{1,190}")


def shown(text: str) -> str:
    """The text without controls, bidi controls and what has no width; line ends are spaces."""
    return text.translate(_TABLE)


def spoofed(name: str, address: str) -> bool:
    """Does a display name hold an address that is not the one behind it?"""
    # NFKC, so that a full-width @ is one.
    plain = unicodedata.normalize("NFKC", shown(name[:NAME_MAX]))
    if "@" not in plain:
        return False
    real = _comparable(address)
    return any(_comparable(found) != real for found in _IN_NAME.findall(plain))


def _comparable(address: str) -> str:
    text = address.replace(" ", "").strip(".").casefold()
    try:
        return str(parse_address(text, strict=False))
    except BadAddress:
        return text
