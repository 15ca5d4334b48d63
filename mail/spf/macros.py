"""The macro language of SPF: texts with holes, read once and filled in for each check. RFC 7208 §7.

    parts = parse("%{ir}.%{v}._spf.%{d2}")
    name = domain_name(expand(parts, {"i": "192.0.2.3", "v": "in-addr", "d": "example.com"}))

Rules:
1. A text is read whole before any of it is used: what is not of the grammar is `BadMacro`.
2. An expansion is never read again, so nothing a stranger wrote becomes a macro.
3. Expansions are bounded: each value comes from the envelope, and what makes a name is cut to 253 characters.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

NAME_MAX = 253  # RFC 7208 §7.3
DOMAIN_LETTERS = frozenset("slodiphv")
EXPLANATION_LETTERS = DOMAIN_LETTERS | frozenset("crt")

# macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
# macro-literal = %x21-24 / %x26-7E
_PART = re.compile(r"([!-$&-~]+)|%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|(%[%_-])")
_EXPLANATION_PART = re.compile(_PART.pattern.replace("!-$", " -$"))
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
# toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ), after its dot
_TOPLABEL_END = re.compile(r"\.(?![0-9]+\.?\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
DIGITS_MAX = 4  # as many labels as no value has


class BadMacro(ValueError):
    """The text is not of the grammar; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Macro:
    """`keep`: that many parts from the right, 0 for all."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escape: bool


Part = str | Macro


def parse(text: str, *, letters: frozenset[str] = DOMAIN_LETTERS) -> tuple[Part, ...]:
    """Read a macro-string; an explain-string where `letters` are those of explanations. BadMacro."""
    pattern = _EXPLANATION_PART if letters is EXPLANATION_LETTERS else _PART
    parts: list[Part] = []
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise BadMacro(f"{text[position : position + 20]!r} is no text and no macro")
        position = match.end()
        literal, letter, digits, reverse, delimiters, escape = match.groups()
        if letter is None:
            parts.append(literal or _ESCAPES[escape])
            continue
        if letter.lower() not in letters:
            raise BadMacro(f"the macro %{{{letter}}} is not allowed here")
        # RFC 7208 §7.1: at least 1, where there is a number at all.
        if digits and not digits.strip("0"):
            raise BadMacro(f"{match[0]!r} keeps nothing")
        digits = digits.lstrip("0")
        keep = int(digits or 0) if len(digits) < DIGITS_MAX else 0
        parts.append(Macro(letter.lower(), keep, bool(reverse), delimiters, letter.isupper()))
    return tuple(parts)


def parse_domain_spec(text: str) -> tuple[Part, ...]:
    """Read a domain-spec: a macro-string that ends in a macro or in a dot and a top label. BadMacro."""
    if not text:
        raise BadMacro("the domain is missing")
    parts = parse(text)
    # domain-end = ( "." toplabel [ "." ] ) / macro-expand. Only escapes have a space or a percent sign.
    last = parts[-1]
    if isinstance(last, str) and last not in _ESCAPES.values() and not _TOPLABEL_END.search(last):
        raise BadMacro(f"{text!r} does not end in a top-level domain")
    return parts


def letters_of(parts: Iterable[Part]) -> set[str]:
    return {part.letter for part in parts if isinstance(part, Macro)}


def expand(parts: Iterable[Part], values: Mapping[str, str]) -> str:
    return "".join(part if isinstance(part, str) else _expanded(part, values[part.letter]) for part in parts)


def _expanded(macro: Macro, value: str) -> str:
    if macro.keep or macro.reverse or macro.delimiters:
        value = ".".join(_transformed(macro, value))
    # RFC 7208 §7.3: what is not unreserved in a URI is escaped, as UTF-8.
    return quote(value, safe="~", errors="replace") if macro.escape else value


def _transformed(macro: Macro, value: str) -> list[str]:
    pieces = re.split(f"[{re.escape(macro.delimiters)}]", value) if macro.delimiters else value.split(".")
    if macro.reverse:
        pieces.reverse()
    return pieces[-macro.keep :]


def domain_name(text: str) -> str | None:
    """An expansion as a name to ask for; None when no such name can be.

    A final dot is dropped, and labels from the left until it fits. RFC 7208 §7.3.
    """
    name = text.removesuffix(".")
    while len(name) > NAME_MAX:
        _, dot, name = name[-NAME_MAX - 1 :].partition(".")
        if not dot:
            return None
    return name if is_name(name) else None


def is_name(name: str) -> bool:
    """Can the DNS be asked for it: printable ASCII in labels of 1 to 63 octets."""
    if not 0 < len(name) <= NAME_MAX or not name.isascii() or not name.isprintable():
        return False
    return all(0 < len(label) <= 63 for label in name.split("."))
