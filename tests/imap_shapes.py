"""A strict reader of ENVELOPE and BODYSTRUCTURE as RFC 9051 §9 writes them; ValueError for anything else.

Literals, quoted strings with nothing escaped that need not be, NIL, numbers and lists; one space where the grammar has
one and none where it has none.
"""

import re
from typing import Any

QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"')
NUMBER = re.compile(rb"[0-9]+")
LITERAL = re.compile(rb"\{([0-9]+)\}\r\n")


class _Reader:
    def __init__(self, text: bytes) -> None:
        self.text, self.at = text, 0

    def take(self, wanted: bytes) -> None:
        if not self.text.startswith(wanted, self.at):
            raise ValueError(f"{wanted!r} expected at {self.text[self.at : self.at + 40]!r}")
        self.at += len(wanted)

    def sees(self, wanted: bytes) -> bool:
        return self.text.startswith(wanted, self.at)

    def number(self) -> int:
        found = NUMBER.match(self.text, self.at)
        if found is None:
            raise ValueError("a number")
        self.at = found.end()
        return int(found[0])

    def string(self) -> bytes:
        found = QUOTED.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return re.sub(rb"\\(.)", rb"\1", found[1])
        found = LITERAL.match(self.text, self.at)
        if found is None:
            raise ValueError(f"a string at {self.text[self.at : self.at + 40]!r}")
        self.at = found.end() + int(found[1])
        octets = self.text[found.end() : self.at]
        if len(octets) != int(found[1]) or b"\0" in octets:
            raise ValueError("a literal")
        return octets

    def nstring(self) -> bytes | None:
        if self.sees(b"NIL"):
            self.at += 3
            return None
        return self.string()

    def addresses(self) -> list[tuple[bytes | None, ...]]:
        """env-from and its kin: NIL, or 1*address in parentheses without spaces between."""
        if self.sees(b"NIL"):
            self.at += 3
            return []
        found: list[tuple[bytes | None, ...]] = []
        self.take(b"(")
        while not found or self.sees(b"("):
            self.take(b"(")
            four = [self.nstring()]
            for _ in range(3):
                self.take(b" ")
                four.append(self.nstring())
            self.take(b")")
            found.append(tuple(four))
        self.take(b")")
        return found

    def envelope(self) -> list[Any]:
        self.take(b"(")
        found: list[Any] = [self.nstring(), self._after(self.nstring)]
        found += [self._after(self.addresses) for _ in range(6)]
        found += [self._after(self.nstring) for _ in range(2)]
        self.take(b")")
        return found

    def _after(self, read: Any) -> Any:
        self.take(b" ")
        return read()

    def parameters(self) -> dict[bytes, bytes]:
        if self.sees(b"NIL"):
            self.at += 3
            return {}
        self.take(b"(")
        words = [self.string(), self._after(self.string)]
        while not self.sees(b")"):
            words += [self._after(self.string), self._after(self.string)]
        self.take(b")")
        return dict(zip(words[::2], words[1::2], strict=True))

    def extension(self, found: dict[str, Any]) -> None:
        """body-fld-dsp, body-fld-lang, body-fld-loc, all of which we always write."""
        self.take(b" ")
        if self.sees(b"NIL"):
            self.at += 3
            found["disposition"] = None
        else:
            self.take(b"(")
            found["disposition"] = (self.string(), self._after(self.parameters))
            self.take(b")")
        self.take(b" ")
        if self.sees(b"("):
            self.take(b"(")
            self.string()
            while not self.sees(b")"):
                self._after(self.string)
            self.take(b")")
        else:
            self.nstring()
        self._after(self.nstring)

    def body(self, depth: int = 0) -> dict[str, Any]:
        if depth > 30:
            raise ValueError("deeper than we ever go")
        self.take(b"(")
        if self.sees(b"("):
            children = []
            while self.sees(b"("):
                children.append(self.body(depth + 1))
            found = {"type": b"multipart/" + self._after(self.string).lower(), "children": children}
            found["parameters"] = self._after(self.parameters)
        else:
            found = {"type": self.string().lower() + b"/" + self._after(self.string).lower(), "children": []}
            found["parameters"] = self._after(self.parameters)
            found["id"], found["description"] = self._after(self.nstring), self._after(self.nstring)
            found["encoding"], found["size"] = self._after(self.string), self._after(self.number)
            if found["type"] in (b"message/rfc822", b"message/global"):
                found["envelope"] = self._after(self.envelope)
                found["children"] = [self._after(lambda: self.body(depth + 1))]
            if found["type"].startswith(b"text/") or "envelope" in found:
                found["lines"] = self._after(self.number)
            found["md5"] = self._after(self.nstring)
        self.extension(found)
        self.take(b")")
        return found


def read_envelope(text: bytes) -> list[Any]:
    return _whole(text, "envelope")


def read_body(text: bytes) -> dict[str, Any]:
    return _whole(text, "body")


def _whole(text: bytes, what: str) -> Any:
    reader = _Reader(text)
    found = getattr(reader, what)()
    if reader.at != len(text):
        raise ValueError(f"{text[reader.at :]!r} is left")
    return found
