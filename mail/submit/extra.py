"""What a user's program tells us of a message in its header, for the notices we will give it: key and value.

    X-Mailstead-Extra-user-id: 7     ->     {"User-Id": "7"}

The fields stay in the message. They are read here and nowhere else: what a stranger sends has none (features-1 §1e).
"""

from mail.message.fields import Header

PREFIX = b"x-mailstead-extra-"
# All keys and values of a message together.
OCTETS_MAX = 64 << 10


class BadExtra(Exception):
    """Fields that cannot be kept; the words are for the sender."""


def extra_of(header: Header) -> dict[str, str]:
    """Keys with each word between hyphens capitalized, so that spelling does not matter. BadExtra for a key that comes
    twice or is empty, and for too much.
    """
    found: dict[str, str] = {}
    octets = 0
    for field in header.fields:
        if not field.name.startswith(PREFIX):
            continue
        key = canonical_key(field.name[len(PREFIX) :].decode("ascii"))
        if not key:
            raise BadExtra("X-Mailstead-Extra- needs a name behind it")
        if key in found:
            raise BadExtra(f"X-Mailstead-Extra-{key[:60]} is there twice")
        octets += len(key) + len(field.value)
        if octets > OCTETS_MAX:
            raise BadExtra(f"X-Mailstead-Extra fields of more than {OCTETS_MAX} octets")
        found[key] = field.value.decode("utf-8", "replace")
    return found


def canonical_key(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))
