"""The token a stranger may put in the subject, to show that a person read our refusal.

"(pass:" base64url(16 octets) ")": four octets of version (0, the high nibble) and time (28 bits of Unix time in units
of 256 seconds), then the first twelve octets of HMAC-SHA-256 over these four and the author's address. The key belongs
to the canonical address of the recipient, so a token serves one author, one recipient, and for a while. Features B08.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

# Sixteen octets are 22 characters of base64url (RFC 4648 §5) without padding.
_TOKEN = re.compile(r"\(pass:([A-Za-z0-9_-]{22})\)")
TOKENS_MAX = 10
UNIT_SHIFT = 8  # 256 seconds
# Clocks of our hosts differ; nobody else makes tokens.
AHEAD_S = 300


def token(key: bytes, author: str, now_ms: int) -> str:
    stamp = (now_ms // 1000 >> UNIT_SHIFT & 0x0FFFFFFF).to_bytes(4)
    return f"(pass:{urlsafe_b64encode(stamp + _proof(key, stamp, author)).rstrip(b'=').decode()})"


def is_valid(key: bytes, author: str, subject: str, now_ms: int, period_s: int) -> bool:
    """Is there, anywhere in the (decoded) subject, a token of this author's that is not older than the period."""
    for tried, match in enumerate(_TOKEN.finditer(subject)):
        if tried == TOKENS_MAX:
            break
        octets = urlsafe_b64decode(match[1] + "==")
        stamp, proof = octets[:4], octets[4:]
        age_s = now_ms // 1000 - (int.from_bytes(stamp) << UNIT_SHIFT)
        # A version other than 0 shows as a time far ahead. The time was cut off to its unit, so one unit is added.
        in_time = -AHEAD_S <= age_s <= period_s + (1 << UNIT_SHIFT)
        if in_time and hmac.compare_digest(proof, _proof(key, stamp, author)):
            return True
    return False


def _proof(key: bytes, stamp: bytes, author: str) -> bytes:
    return hmac.digest(key, stamp + author.casefold().encode("utf-8", "replace"), "sha256")[:12]
