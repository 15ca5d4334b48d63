"""Making DKIM-Signature fields: the part of who has the message, and the part of who has the key and sees no message.

    prepare(octets, header)          -> Prepared: the fields to sign, canonical, and the hash of the body
    signature_field(Prepared, sign)  -> the field that goes on top

Always relaxed/relaxed and SHA-256, always t= and x=, never l= (security MA-1). Every name is signed once more than it
occurs, so that a field of that name added later breaks the signature. RFC 6376 §3.5, §5; RFC 8301 §3.1; RFC 8463 §3.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mail.dkim.canonical import FieldChooser, body_digests
from mail.message.fields import Field, Header, Octets

# security MA-1
LIFE_SECONDS = 7 * 86_400
LINE = 76

# Signed whether they are there or not.
SEALED = (
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Signed and sealed where they are there: a list or a person that passes a message on untouched adds them
# (docs/decisions/dkim-signing.md).
SEALED_IF_THERE = re.compile(rb"list-[!-9;-~]+|resent-[!-9;-~]+|bcc")

# dkim-safe-char = %x21-3A / %x3C / %x3E-7E, which also may not stand for itself where it quotes
_UNSAFE = re.compile(rb"[^!-:<>-~]")


@dataclass(frozen=True, slots=True)
class Prepared:
    """`names` as h= lists them, lower case; `header` the canonical fields in that order; `body_hash` as in bh=."""

    names: tuple[bytes, ...]
    header: bytes
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """What a signature says of who signs; `identity` is the localpart of i=, empty for none."""

    domain: str
    selector: str
    kind: str  # "rsa" or "ed25519"
    identity: str
    signed_at: int  # seconds since 1970


def signed_names(fields: Iterable[Field]) -> tuple[bytes, ...]:
    """What h= lists for a header: each name once more than it occurs."""
    there = Counter(field.name for field in fields)
    names = [*SEALED, *(name for name in there if SEALED_IF_THERE.fullmatch(name))]
    return tuple(name for name in names for _ in range(there[name] + 1))


def prepare(octets: Octets, header: Header) -> Prepared:
    """Look at a message with its header once."""
    names = signed_names(header.fields)
    digests = body_digests(octets, header.end, relaxed=True)
    return Prepared(names, FieldChooser(header.fields).canonical_fields(names, relaxed=True), digests.whole)


def signature_field(prepared: Prepared, signer: Signer, sign: Callable[[bytes], bytes]) -> bytes:
    """The whole field with its CRLF. `sign` makes the key's signature over a SHA-256 digest."""
    tags = [
        b"v=1",
        f"a={signer.kind}-sha256".encode(),
        b"c=relaxed/relaxed",
        b"d=" + signer.domain.encode(),
        b"s=" + signer.selector.encode(),
        f"t={signer.signed_at}".encode(),
        f"x={signer.signed_at + LIFE_SECONDS}".encode(),
    ]
    if signer.identity:
        tags.append(b"i=" + quoted(signer.identity) + b"@" + signer.domain.encode())
    lines = [*_filled([tag + b";" for tag in tags], b" ", len(b"DKIM-Signature: "))]
    lines += _filled(_parts(b"h=", prepared.names), b"", 1)
    lines += [b"bh=" + base64.b64encode(prepared.body_hash) + b";", b"b="]
    unsigned = b"\r\n\t".join([b"DKIM-Signature: " + lines[0], *lines[1:]])
    digest = hashlib.sha256(prepared.header + _relaxed(unsigned)).digest()
    signature = base64.b64encode(sign(digest))
    return unsigned + b"\r\n\t ".join(_cut(signature, LINE - 3)) + b"\r\n"


def quoted(localpart: str) -> bytes:
    """dkim-quoted-printable. RFC 6376 §2.11; every octet of UTF-8 by its number, so that the field stays ASCII."""
    return _UNSAFE.sub(lambda match: b"=%02X" % match[0][0], localpart.encode())


def _relaxed(unsigned: bytes) -> bytes:
    """As `canonical.relaxed_field`, of a field written here: folded before one tab, no white space at its end."""
    return b"dkim-signature:" + unsigned.partition(b": ")[2].replace(b"\r\n\t", b" ")


def _parts(tag: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    """h= in pieces that may be folded between: FWS may stand around its colons."""
    return [tag + names[0] + b":", *(name + b":" for name in names[1:-1]), names[-1] + b";"]


def _filled(pieces: list[bytes], between: bytes, used: int) -> list[bytes]:
    """Lines of pieces, each line as long as it may be."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if used + len(lines[-1]) + len(between) + len(piece) <= LINE:
            lines[-1] += between + piece
        else:
            lines.append(piece)
            used = 1
    return lines


def _cut(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]
