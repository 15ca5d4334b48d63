"""The server's two messages of SCRAM-SHA-256, and what it keeps of a password. Pure. RFC 5802, RFC 7677.

    first = read_first("n,,n=user,r=abc")        # BadCredentials says what is wrong with it, for the log
    challenge = answer_first(first, salt, iterations)
    proof = check_final(first, challenge, message, stored_key, server_key)

Channel binding is not offered: a client that wants it (p=) is refused, one that could but sees that we cannot (y) is
right (RFC 5802 §6).
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from mail.errors import BadCredentials

NONCE_OCTETS = 18
MESSAGE_MAX = 2_048

# gs2-cbind-flag "," [authzid] "," username "," nonce; a mandatory extension (m=) has no place, others are ignored.
_FIRST = re.compile(
    r"(?P<header>(?P<flag>[ny]|p=[A-Za-z0-9.-]+),(?:a=(?P<authzid>[^,\0]+))?,)"
    r"(?P<bare>n=(?P<name>[^,\0]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,\0]*)*)"
)
_FINAL = re.compile(
    r"(?P<unproved>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,\0]*)*)"
    r",p=(?P<proof>[A-Za-z0-9+/=]+)"
)


@dataclass(frozen=True, slots=True)
class First:
    """The client's first message: who, on whose behalf ("" for oneself), and the octets the proof covers."""

    name: str
    authzid: str
    header: str
    bare: str
    nonce: str


def keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """(StoredKey, ServerKey) of a transformed password. Slow on purpose: not for an event loop. RFC 5802 §3."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")


def read_first(message: str) -> First:
    """BadCredentials unless it is a client-first-message without channel binding."""
    found = _FIRST.fullmatch(message) if len(message) <= MESSAGE_MAX else None
    if found is None:
        raise BadCredentials("SCRAM: first message is not of its form")
    if found["flag"].startswith("p"):
        raise BadCredentials("SCRAM: channel binding was not offered")
    name, authzid = _unescaped(found["name"]), _unescaped(found["authzid"] or "")
    return First(name, authzid, found["header"], found["bare"], found["nonce"])


def answer_first(first: First, salt: bytes, iterations: int) -> str:
    """The challenge: the client's nonce with ours behind it, the salt and the count."""
    nonce = first.nonce + secrets.token_urlsafe(NONCE_OCTETS)
    return f"r={nonce},s={base64.b64encode(salt).decode()},i={iterations}"


def check_final(first: First, challenge: str, message: str, stored_key: bytes, server_key: bytes) -> str:
    """The server's final message, for the client that proved it knows the password; BadCredentials for others."""
    found = _FINAL.fullmatch(message) if len(message) <= MESSAGE_MAX else None
    if found is None:
        raise BadCredentials("SCRAM: final message is not of its form")
    if not hmac.compare_digest(found["nonce"], challenge[2 : challenge.index(",")]):
        raise BadCredentials("SCRAM: nonce is not the one given")
    # The header comes back as it was sent, authorization identity and all (RFC 5802 §7).
    if _decoded(found["binding"]) != first.header.encode():
        raise BadCredentials("SCRAM: header is not the one sent first")
    signed = f"{first.bare},{challenge},{found['unproved']}".encode()
    signature = hmac.digest(stored_key, signed, "sha256")
    proof = _decoded(found["proof"])
    if len(proof) != len(signature):
        raise BadCredentials("SCRAM: proof has not its length")
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key):
        raise BadCredentials("SCRAM: proof is wrong")
    return f"v={base64.b64encode(hmac.digest(server_key, signed, 'sha256')).decode()}"


def _unescaped(name: str) -> str:
    if re.search("=(?!2C|3D)", name):
        raise BadCredentials("SCRAM: name is not escaped as it must be")
    return name.replace("=2C", ",").replace("=3D", "=")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
