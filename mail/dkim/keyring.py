"""The private keys of DKIM: a folder of the sign process's own (0700), below it one a domain, in it a file a selector.

    FOLDER/<domain>/<selector>.pem       PKCS #8, 0600

Which of them sign, the store knows; here are only keys. A file is whole or not there: it is synced before it gets its
name. Names are checked, since they become paths. RFC 6376 §3.6.1; RFC 8301 §3.2 (RSA keys of 2048 bits), RFC 8463 §4.
"""

import base64
import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mail.errors import Exists, Invalid, NotFound

RSA_BITS = 2048
KINDS = ("rsa", "ed25519")
# Some 5 kB each.
LOADED_MAX = 2000
SUFFIX = ".pem"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,62})"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_SELECTOR = re.compile(_LABEL)
_PADDING = PKCS1v15()
_PREHASHED = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs digests of SHA-256."""

    kind: str
    private: RSAPrivateKey | Ed25519PrivateKey

    def sign(self, digest: bytes) -> bytes:
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _PREHASHED)
        return self.private.sign(digest)  # the digest is the message: RFC 8463 §3

    def is_whole(self) -> bool:
        """Does its public part verify what it signs."""
        digest = bytes(32)
        try:
            if isinstance(self.private, RSAPrivateKey):
                self.private.public_key().verify(self.sign(digest), digest, _PADDING, _PREHASHED)
            else:
                self.private.public_key().verify(self.sign(digest), digest)
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def record(self) -> str:
        """The TXT record to publish."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={self.kind}; p={base64.b64encode(octets).decode()}"


class Keyring:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[tuple[str, str], PrivateKey] = {}

    def prepare(self) -> None:
        """Make the folder, and shut it to everyone else."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self._folder, 0o700)

    def make(self, domain: str, selector: str, kind: str) -> PrivateKey:
        """A new key, durable when this returns. Exists when the selector has one; Invalid for what is no name."""
        path = self._path(domain, selector)
        if kind not in KINDS:
            raise Invalid(public=f"{kind!r} should be one of {', '.join(KINDS)}")
        made = PrivateKey(
            kind, generate_private_key(65537, RSA_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
        )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.unlink(missing_ok=True)
        try:
            _write(part, made.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            os.link(part, path)
        except FileExistsError:
            raise Exists(public=f"selector {selector} of {domain} has a key already") from None
        finally:
            part.unlink(missing_ok=True)
        for folder in (path.parent, self._folder):
            _sync(folder)
        return made

    def make_record(self, domain: str, selector: str, kind: str) -> str:
        """As `make`; only what is to be published of it."""
        return self.make(domain, selector, kind).record

    def remove(self, domain: str, selector: str) -> bool:
        """False when there was none."""
        path = self._path(domain, selector)
        self._loaded.pop((domain, selector), None)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _sync(path.parent)
        with contextlib.suppress(OSError):  # other keys are left
            path.parent.rmdir()
        return True

    def key(self, domain: str, selector: str) -> PrivateKey:
        """NotFound, Invalid."""
        name = (domain, selector)
        if name not in self._loaded:
            while len(self._loaded) >= LOADED_MAX:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[name] = self._read(domain, selector)
        return self._loaded[name]

    def _read(self, domain: str, selector: str) -> PrivateKey:
        try:
            octets = self._path(domain, selector).read_bytes()
            # OpenSSL's proof of primes takes 50 ms; that the key's own public part verifies it proves as much here.
            private = load_pem_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
        except FileNotFoundError:
            raise NotFound(public=f"no key for selector {selector} of {domain}") from None
        except ValueError as error:
            raise Invalid(public=f"the key file of selector {selector} of {domain} holds no key") from error
        if isinstance(private, RSAPrivateKey):
            read = PrivateKey("rsa", private)
        elif isinstance(private, Ed25519PrivateKey):
            read = PrivateKey("ed25519", private)
        else:
            raise Invalid(public=f"the key file of selector {selector} of {domain} holds another kind of key")
        if not read.is_whole():
            raise Invalid(public=f"the key file of selector {selector} of {domain} is damaged")
        return read

    def listed(self, *, after: tuple[str, str] = ("", ""), most: int = 1000) -> list[tuple[str, str, int]]:
        """Domain, selector, and when it was made (ms since 1970), of so many keys that follow that one."""
        paths = (path for path in self._folder.glob(f"*/*{SUFFIX}") if not path.name.startswith("."))
        following = sorted(
            (name, path) for path in paths if (name := (path.parent.name, path.name.removesuffix(SUFFIX))) > after
        )
        found = []
        for name, path in following[:most]:
            with contextlib.suppress(FileNotFoundError):
                found.append((*name, path.stat().st_mtime_ns // 1_000_000))
        return found

    def _path(self, domain: str, selector: str) -> Path:
        if not _DOMAIN.fullmatch(domain) or not _SELECTOR.fullmatch(selector):
            raise Invalid(public=f"{selector!r} of {domain!r} is no selector of a domain")
        return self._folder / domain / f"{selector}{SUFFIX}"


def _write(path: Path, octets: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
