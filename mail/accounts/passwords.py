"""Passwords: what may be one, and how it is kept. RFC 8265 (OpaqueString), RFC 9106 (Argon2id), RFC 5802 (SCRAM).

1. A password is transformed before it is measured, hashed or compared: non-ASCII spaces become a space, then NFC.
2. What is kept reveals nothing that can be used elsewhere: an Argon2id hash, and SCRAM-SHA-256's verifier.
"""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from precis_i18n import get_profile

from mail.errors import BadPassword
from mail.sasl import scram

LEAST = 8
LEAST_ADMIN = 12
OCTETS_MAX = 512

# OWASP's floor, and 42 ms here: more would be an attacker's lever on a small host (security CR-1).
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)

# 26 ms for a phone that derives it at every login. RFC 7677 §4 asks for at least 4,096; Cyrus SASL's client, which is
# mbsync's and neomutt's, refuses more than 65,536.
SCRAM_ITERATIONS = 60_000
SALT_OCTETS = 16

_OPAQUE = get_profile("OpaqueString")


@dataclass(frozen=True, slots=True)
class Verifiers:
    """What auth.db keeps of a password."""

    argon2: str
    scram_salt: bytes
    scram_iterations: int
    scram_stored_key: bytes
    scram_server_key: bytes


def transformed(password: str) -> str:
    """OpaqueString of RFC 8265 §4.2. BadPassword for control characters, unassigned ones and the empty password."""
    if len(password) > OCTETS_MAX:
        raise BadPassword(public=f"password is longer than {OCTETS_MAX} octets")
    try:
        made = str(_OPAQUE.enforce(password))
    except UnicodeError as error:
        raise BadPassword(public="password has a character that is not allowed, or is empty") from error
    if len(made.encode()) > OCTETS_MAX:
        raise BadPassword(public=f"password is longer than {OCTETS_MAX} octets")
    return made


def guessed() -> frozenset[str]:
    """The passwords that are tried first by everyone."""
    return frozenset((Path(__file__).parent / "guessed.txt").read_text().split())


def checked(password: str, *, admin: bool = False) -> str:
    """The transformed password, if it may be set. BadPassword says why not."""
    made = transformed(password)
    least = LEAST_ADMIN if admin else LEAST
    if len(made.encode()) < least:
        raise BadPassword(public=f"password must have at least {least} octets")
    if made.lower() in guessed():
        raise BadPassword(public="password is one of those that are guessed first")
    return made


def verifiers(password: str) -> Verifiers:
    """Of a transformed password. Slow on purpose: not for an event loop."""
    salt = secrets.token_bytes(SALT_OCTETS)
    stored_key, server_key = scram.keys(password, salt, SCRAM_ITERATIONS)
    return Verifiers(HASHER.hash(password), salt, SCRAM_ITERATIONS, stored_key, server_key)


def matches(hashed: str, password: str) -> bool:
    """Slow on purpose: not for an event loop."""
    try:
        return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def outdated(hashed: str) -> bool:
    """Was it made with other parameters than today's."""
    return HASHER.check_needs_rehash(hashed)


def no_ones_hash() -> str:
    """A hash no password matches: what unknown users are checked against, so that they take as long."""
    return HASHER.hash(secrets.token_urlsafe(24))


def no_ones_salt(secret: bytes, login: str) -> bytes:
    """The salt an unknown user seems to have, always the same (security CR-2)."""
    return hashlib.blake2b(login.encode("utf-8", "replace"), key=secret, digest_size=SALT_OCTETS).digest()
