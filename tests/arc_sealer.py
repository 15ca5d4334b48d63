"""Seals messages for the tests of ARC: sets of three fields, each tag and each blank as a test wants them.

`sealed` hashes with our own canonicalisation; `dkim.arc_sign` of dkimpy is the sealer where a second opinion is wanted.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mail.dkim.canonical import FieldChooser, relaxed_field, unsigned_field
from mail.message.fields import Field, parse_header
from tests.dkim_signer import body_hash, ed25519_key, rsa_key, signature_of

ORDER = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
_INSTANCE = re.compile(rb"\bi[ \t]*=[ \t]*([0-9]+)")
Tags = Mapping[str, str | None]


def count(message: bytes) -> int:
    return sum(field.name == b"arc-seal" for field in parse_header(message).fields)


def instance_of(field: Field) -> int:
    found = _INSTANCE.search(field.value)
    return int(found[1]) if found else 0


def place(field: Field) -> tuple[int, int]:
    return instance_of(field), ORDER.index(field.name)


@dataclass(frozen=True)
class Shape:
    """How a tag list is written; `{tags}` and `{b}` are replaced."""

    text: str = "{tags};\r\n\tb={b}"
    equals: str = "="
    between: str = "; "

    def write(self, name: str, tags: Tags, signature: Callable[[Field], bytes]) -> bytes:
        listed = self.between.join(f"{tag}{self.equals}{value}" for tag, value in tags.items() if value is not None)
        text = f"{name}: {self.text.replace('{tags}', listed)}\r\n"
        (unsigned,) = parse_header(text.replace("{b}", "").encode()).fields
        return text.replace("{b}", base64.b64encode(signature(unsigned)).decode()).encode()


PLAIN = Shape()


def sealed(
    message: bytes,
    *,
    key: Any = None,
    aar: str | None = "i={i}; x{i}.example; spf=pass",
    ams: Tags | None = None,
    shape: Shape = PLAIN,
    ams_shape: Shape = PLAIN,
    meant: str | None = None,
    **tags: str | None,
) -> bytes:
    """The message with one more set on top; `ams` and `tags` are of the message signature and of the seal, where None
    leaves a tag out. `meant`: the canonicalisation where c= does not say so.
    """
    instance = str(count(message) + 1)
    key = key or (ed25519_key() if tags.get("s") == "ed" else rsa_key())
    kind = "ed25519" if key is ed25519_key() else "rsa"
    if aar is not None:
        message = f"ARC-Authentication-Results: {aar.replace('{i}', instance)}\r\n".encode() + message
    message = _message_signature(message, instance, key, kind, ams or {}, ams_shape, meant) + message
    said: dict[str, str | None] = {
        "i": instance,
        "a": f"{kind}-sha256",
        "cv": "none" if instance == "1" else "pass",
        "d": "a.example",
        "s": "rsa" if kind == "rsa" else "ed",
        **tags,
    }
    fields = sorted((each for each in parse_header(message).fields if each.name in ORDER), key=place)
    if said["cv"] == "fail":
        fields = [each for each in fields if instance_of(each) == int(instance)]  # RFC 8617 §5.1.2
    signed = b"".join(map(relaxed_field, fields))

    def signature(own: Field) -> bytes:
        digest = hashlib.sha256(signed + unsigned_field(own, relaxed=True)).digest()
        return signature_of(key, digest)

    return shape.write("ARC-Seal", said, signature) + message


def _message_signature(
    message: bytes, instance: str, key: Any, kind: str, tags: Tags, shape: Shape, meant: str | None
) -> bytes:
    canonical = meant or tags.get("c", "relaxed/relaxed") or "simple"
    header_algorithm, _, body_algorithm = canonical.partition("/")
    said: dict[str, str | None] = {
        "i": instance,
        "a": f"{kind}-sha256",
        "c": "relaxed/relaxed",
        "d": "a.example",
        "s": "rsa" if kind == "rsa" else "ed",
        "h": "From:To:Subject:Date",
        "bh": body_hash(message, relaxed=body_algorithm == "relaxed", cut=tags.get("l")),
        **tags,
    }

    def signature(own: Field) -> bytes:
        names = [one.strip().lower().encode() for one in (said["h"] or "").split(":")]
        fields = [own, *parse_header(message).fields]
        digest = FieldChooser(fields).header_digest(names, own, relaxed=header_algorithm == "relaxed")
        return signature_of(key, digest)

    return shape.write("ARC-Message-Signature", said, signature)
