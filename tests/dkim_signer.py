"""Signs messages for the tests of DKIM and ARC, with keys made for the run, and publishes these keys in a zone.

`sign` takes any tags, right or wrong, and hashes with our own canonicalisation; `dkim.sign` of dkimpy is the signer
where a second opinion on that is wanted.
"""

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mail.dkim.canonical import FieldChooser, body_digests
from mail.message.fields import Octets, parse_header

NOW = 1_700_000_000
MESSAGE = (
    b"Received: from x.example\r\n"
    b"From: Ann <ann@a.example>\r\n"
    b"To: Bob <bob@b.example>\r\n"
    b"Subject: Hello\t  there,\r\n\tBob\r\n"
    b"Date: Mon, 01 Jan 2024 01:02:03 +0000\r\n"
    b"Message-ID: <1@a.example>\r\n"
    b"\r\n"
    b"Dear  Bob, \r\n\r\nbye\r\n\r\n"
)


@cache
def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


@cache
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@cache
def rsa_pem() -> bytes:
    """As dkimpy wants it."""
    return rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def record(key: RSAPrivateKey | Ed25519PrivateKey, flags: str = "") -> str:
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; {flags}p={base64.b64encode(octets).decode()}"


def zone(domain: str = "a.example", flags: str = "") -> dict[str, list[str]]:
    """The keys of the selectors `rsa` and `ed`."""
    return {
        f"TXT rsa._domainkey.{domain}": [record(rsa_key(), flags)],
        f"TXT ed._domainkey.{domain}": [record(ed25519_key(), flags)],
    }


def signature_of(key: RSAPrivateKey | Ed25519PrivateKey, digest: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(digest, PKCS1v15(), Prehashed(SHA256()))
    return key.sign(digest)


def sign(
    message: bytes,
    *,
    key: RSAPrivateKey | Ed25519PrivateKey | None = None,
    name: bytes = b"DKIM-Signature",
    meant: str | None = None,
    **tags: str | None,
) -> bytes:
    """The message with one more signature on top. A tag given as None is left out, an unknown one added.

    `meant`: the canonicalisation, where c= does not say so.
    """
    key = key or rsa_key()
    kind = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
    header_algorithm, _, body_algorithm = (meant or tags.get("c", "relaxed/relaxed") or "simple").partition("/")
    said: dict[str, str | None] = {
        "v": "1",
        "a": f"{kind}-sha256",
        "c": "relaxed/relaxed",
        "d": "a.example",
        "s": "rsa" if kind == "rsa" else "ed",
        "h": "From:To:Subject:Date",
        "bh": body_hash(message, relaxed=body_algorithm == "relaxed", cut=tags.get("l")),
        **tags,
    }
    text = "; ".join(f"{tag}={value}" for tag, value in said.items() if value is not None)
    field = name + b": " + text.encode() + b";\r\n\tb="
    own, *fields = parse_header(field + b"\r\n" + message).fields
    names = [one.strip().lower().encode() for one in (said["h"] or "").split(":")]
    digest = FieldChooser([own, *fields]).header_digest(names, own, relaxed=header_algorithm == "relaxed")
    return field + base64.b64encode(signature_of(key, digest)) + b"\r\n" + message


def body_hash(message: Octets, *, relaxed: bool, cut: str | None = None) -> str:
    digests = body_digests(message, parse_header(message).end, relaxed=relaxed, cuts=[int(cut)] if cut else [])
    return base64.b64encode(digests.cut.get(int(cut), digests.whole) if cut else digests.whole).decode()
