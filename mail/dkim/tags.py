"""Lists of tag=value: what DKIM and ARC fields and their key records are made of.

    tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
    tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]

The names are case-sensitive, the values too unless their tag says otherwise. RFC 6376 §3.2; RFC 8616 §4 lets values be
UTF-8. Callers pass unfolded text of a bounded size (`Field.value`, a TXT record).
"""

import binascii
import re

TAGS_MAX = 64

# tag-name = ALPHA *ALNUMPUNC
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_FORBIDDEN = re.compile(rb"[^\t -~\x80-\xff]")
_FWS = b" \t\r\n"


class BadTags(ValueError):
    """Not a tag-list, or a value is not of its tag's form; the text says what is wrong."""


class DuplicateTag(BadTags):
    """A tag occurs twice: then the whole list is invalid. RFC 6376 §3.2."""


def parse_tags(text: bytes) -> dict[str, bytes]:
    """The values by name, in order, without white space around them. Raises `BadTags`."""
    if _FORBIDDEN.search(text):
        raise BadTags("a control character in the tag list")
    specs = text.split(b";", TAGS_MAX + 1)
    if not specs[-1].strip(b" \t"):
        specs.pop()
    if not 0 < len(specs) <= TAGS_MAX:
        raise BadTags("no tags" if not specs else "too many tags")
    found: dict[str, bytes] = {}
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name = name.strip(b" \t")
        if not equals or not _NAME.fullmatch(name):
            raise BadTags("not a list of tag=value")
        key = name.decode()
        if key in found:
            raise DuplicateTag(f"tag {key}= occurs twice")
        found[key] = value.strip(b" \t")
    return found


def base64_value(text: bytes) -> bytes:
    """The octets of a base64string, in which white space may stand anywhere. Raises `BadTags`; never empty."""
    try:
        octets = binascii.a2b_base64(text.translate(None, _FWS), strict_mode=True)
    except binascii.Error as error:
        raise BadTags("not base64") from error
    if not octets:
        raise BadTags("empty base64")
    return octets


def list_value(text: bytes) -> tuple[bytes, ...]:
    """The parts of a colon-separated list. Raises `BadTags` when one is empty."""
    parts = tuple(part.strip(_FWS) for part in text.split(b":"))
    if not all(parts):
        raise BadTags("an empty part in a list")
    return parts


def number_value(text: bytes, digits: int) -> int:
    """A decimal number of at most that many digits. Raises `BadTags`."""
    if not text.isdigit() or len(text) > digits:
        raise BadTags("not a number")
    return int(text)
