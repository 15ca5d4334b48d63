"""The ledger of a storm: what was acknowledged, written down before anything else is asked, and what is there after it.

A client writes its line after the server's 250 or OK. Nothing lost means: every line's message is in the mailbox with
the octets that were sent (spec: acked - present = 0, hash mismatch = 0).
"""

import hashlib
import json
import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MARK = b"X-Ledger: "


def entry_message(number: int, way: str, size: int = 2000) -> bytes:
    """A message that says its own number, with CRLF line ends."""
    head = (
        f"From: storm@example.test\r\nTo: mailstead@localhost\r\nSubject: storm {number}\r\n"
        f"Message-ID: <{way}.{number}@ledger.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        f"X-Ledger: {way}.{number}\r\n\r\n"
    )
    line = f"{way} {number} " + "x" * 60 + "\r\n"
    return (head + line * (size // len(line))).encode()


def digest(message: bytes) -> str:
    """Over the body alone: the header gains Received and the like on the way."""
    return hashlib.sha256(message.partition(b"\r\n\r\n")[2]).hexdigest()


def key_of(message: bytes) -> str | None:
    at = message.find(MARK)
    return message[at + len(MARK) : message.find(b"\r\n", at)].decode() if at >= 0 else None


@dataclass(frozen=True)
class Account:
    """What the ledger and the mailbox say of each other."""

    acknowledged: int
    missing: list[str]
    changed: list[str]
    duplicates: int


class Ledger:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self.entries: dict[str, str] = {}

    def write(self, key: str, message: bytes, reply: str) -> None:
        line = json.dumps({"key": key, "sha256": digest(message), "reply": reply}) + "\n"
        with self._lock:
            os.write(self._file, line.encode())
            os.fdatasync(self._file)
            self.entries[key] = digest(message)

    def reconcile(self, present: list[bytes]) -> Account:
        found: Counter[str] = Counter()
        hashes: dict[str, set[str]] = {}
        for message in present:
            key = key_of(message)
            if key is not None:
                found[key] += 1
                hashes.setdefault(key, set()).add(digest(message))
        missing = [key for key in self.entries if key not in found]
        changed = [key for key, wanted in self.entries.items() if key in hashes and hashes[key] != {wanted}]
        return Account(len(self.entries), missing, changed, sum(found.values()) - len(found))
