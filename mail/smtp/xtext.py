"""xtext: how DSN parameters carry any octet in a command. RFC 3461 §4.

xtext = *( xchar / hexchar );  xchar = any octet "!" to "~" but "+" and "=";  hexchar = "+" 2(%x30-39 / %x41-46)
"""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")


def decode(text: str) -> str | None:
    """The decoded text, or None when it is not xtext or not printable ASCII inside."""
    if not _XTEXT.fullmatch(text):
        return None
    decoded = _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)
    return decoded if all(" " <= character <= "~" for character in decoded) else None


def encode(text: str) -> str:
    """For text in printable ASCII."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)
