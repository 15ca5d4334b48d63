"""Tickets: the auth process's word to the keeper that somebody logged in, carried by a listener that cannot forge it.

A ticket is base64url(JSON) "." base64url(HMAC-SHA256). Only auth and the keeper hold the key.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import stat
from pathlib import Path

from mail.errors import NotAllowed, WrongVersion

# A connection that logged in may submit for as long as the longest session lives.
VALID_MS = 24 * 3_600_000
KEY_OCTETS = 32


def load_key(path: Path) -> bytes:
    """The key of a file that `make_key` made. WrongVersion, with the remedy, when it is missing, short, or readable by
    others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise WrongVersion(
            public=f"key {path}: {error.strerror}; make it again and restart the programs that use it"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        key = file.read(KEY_OCTETS + 1)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise WrongVersion(public=f"key {path} has mode {stat.S_IMODE(mode):04o}: others must not read it (0400)")
    if len(key) != KEY_OCTETS:
        raise WrongVersion(public=f"key {path} must have {KEY_OCTETS} octets")
    return key


def make_key(path: Path) -> None:
    """Make the key file where there is none."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_OCTETS))
        file.flush()
        os.fsync(file.fileno())


def make(key: bytes, account_id: int, service: str, now: int) -> str:
    claims = {"account": account_id, "service": service, "until": now + VALID_MS, "nonce": secrets.token_hex(8)}
    text = base64.urlsafe_b64encode(json.dumps(claims).encode())
    return f"{text.decode()}.{_mac(key, text)}"


def _mac(key: bytes, text: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


def check(key: bytes, ticket: str, account_id: int, now: int) -> None:
    """NotAllowed unless the ticket is ours, for that account and not out of date."""
    text, _, mac = ticket.partition(".")
    if not hmac.compare_digest(_mac(key, text.encode("utf-8", "replace")).encode(), mac.encode("utf-8", "replace")):
        raise NotAllowed("ticket is not ours")
    try:
        claims = json.loads(base64.urlsafe_b64decode(text))
        fits = claims["account"] == account_id and claims["until"] > now
    except (binascii.Error, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise NotAllowed(f"ticket does not fit account {account_id}")
