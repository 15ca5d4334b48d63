"""The tokens of IMAP commands. RFC 9051 §9; what RFC 3501 §9 allowed beyond it stays allowed.

`Cursor` walks over one command whose literals are in place (`mail.imap.reader`). Every method takes one token and
moves on, or raises `BadSyntax`, whose words may be shown to the client.
"""

import re
from calendar import timegm
from collections.abc import Callable
from typing import TypeVar

from mail.imap.flags import parse_flags
from mail.imap.mailbox_names import as_inbox, decode_name
from mail.imap.sequence import SequenceSet, parse_sequence

T = TypeVar("T")

# ATOM-CHAR = any CHAR except "(" / ")" / "{" / SP / CTL / "%" / "*" / DQUOTE / "\" / "]"
ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
# ASTRING-CHAR = ATOM-CHAR / resp-specials; resp-specials = "]"
ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
# Names may carry UTF-8 where clients forget to quote; list-char = ATOM-CHAR / list-wildcards / resp-specials
MAILBOX = re.compile(rb"[^\x00-\x20\x7f(){%*\"\\]+")
LIST_MAILBOX = re.compile(rb"[^\x00-\x20\x7f(){\"\\]+")
# tag = 1*<any ASTRING-CHAR except "+">
TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
NUMBER = re.compile(rb"[0-9]{1,19}")
SEQUENCE = re.compile(rb"[0-9:*,]+|\$")
LITERAL = re.compile(rb"~?\{([0-9]{1,10})\+?\}\r\n")
# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
DATE_TIME = re.compile(rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{4})"')
# date = date-text / DQUOTE date-text DQUOTE; date-text = date-day "-" date-month "-" date-year
DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# Security EX-2.
MOST_PARENTHESES = 50


class BadSyntax(ValueError):
    """The client's command is not IMAP. The words may be shown to it."""


class Cursor:
    """A place in a command. `utf8`: the client enabled UTF-8 names and strings."""

    __slots__ = ("octets", "place", "utf8")

    def __init__(self, octets: bytes, place: int = 0, *, utf8: bool = False) -> None:
        self.octets = octets
        self.place = place
        self.utf8 = utf8

    def at_end(self) -> bool:
        return self.place >= len(self.octets)

    def end(self) -> None:
        if not self.at_end():
            raise BadSyntax("Illegal arguments")

    def peek(self) -> bytes:
        """The next octet, empty at the end."""
        return self.octets[self.place : self.place + 1]

    def match(self, pattern: "re.Pattern[bytes]") -> "re.Match[bytes] | None":
        found = pattern.match(self.octets, self.place)
        if found:
            self.place = found.end()
        return found

    def skip(self, text: bytes) -> bool:
        """Take exactly this text, in any case, if it stands here."""
        end = self.place + len(text)
        if self.octets[self.place : end].upper() != text.upper():
            return False
        self.place = end
        return True

    def expect(self, text: bytes) -> None:
        if not self.skip(text):
            raise BadSyntax("Illegal arguments" if self.at_end() else f"expected {text.decode()!r}")

    def space(self) -> None:
        if self.peek() != b" ":
            raise BadSyntax("Illegal arguments" if self.at_end() else "expected a space")
        self.place += 1

    def tag(self) -> str:
        found = self.match(TAG)
        if not found:
            raise BadSyntax("invalid tag")
        return found[0].decode()

    def atom(self) -> str:
        """An atom as written."""
        found = self.match(ATOM)
        if not found:
            raise BadSyntax("expected an atom")
        return found[0].decode()

    def word(self) -> str:
        """An atom that is a name of the protocol: upper case."""
        return self.atom().upper()

    def number(self, *, bits: int = 32) -> int:
        found = self.match(NUMBER)
        if not found or int(found[0]) >= 1 << bits:
            raise BadSyntax("expected a number")
        return int(found[0])

    def string(self) -> bytes:
        """string = quoted / literal"""
        first = self.peek()
        if first == b'"':
            return self._quoted()
        if first in (b"{", b"~"):
            return self._literal()
        raise BadSyntax("expected a string")

    def astring(self) -> bytes:
        found = self.match(ASTRING)
        return found[0] if found else self.string()

    def nstring(self) -> bytes | None:
        return None if self.skip(b"NIL") else self.string()

    def _quoted(self) -> bytes:
        octets, begin = self.octets, self.place + 1
        parts = []
        while True:
            end = octets.find(b'"', begin)
            if end < 0:
                raise BadSyntax("unfinished quoted string")
            escape = octets.find(b"\\", begin, end)
            if escape < 0:
                parts.append(octets[begin:end])
                break
            # QUOTED-SPECIALS: only DQUOTE and backslash may be escaped.
            escaped = octets[escape + 1 : escape + 2]
            if escaped not in (b'"', b"\\"):
                raise BadSyntax("invalid escape in a quoted string")
            parts.append(octets[begin:escape] + escaped)
            begin = escape + 2
        self.place = end + 1
        text = b"".join(parts)
        if b"\r" in text or b"\n" in text:
            raise BadSyntax("line end in a quoted string")
        return text

    def _literal(self) -> bytes:
        found = self.match(LITERAL)
        if not found:
            raise BadSyntax("expected a literal")
        text = self.octets[self.place : self.place + int(found[1])]
        if len(text) < int(found[1]):
            raise BadSyntax("unfinished literal")
        if b"\0" in text and found[0][:1] != b"~":
            # CHAR8 = %x01-ff
            raise BadSyntax("NUL is not allowed in a literal")
        self.place += len(text)
        return text

    def text(self) -> str:
        """astring as text. Raises BadSyntax where it is not UTF-8."""
        try:
            return self.astring().decode()
        except UnicodeDecodeError:
            raise BadSyntax("not UTF-8") from None

    def mailbox(self) -> str:
        """A mailbox name as the store knows it."""
        return as_inbox(self._name(MAILBOX))

    def list_mailbox(self) -> str:
        """A LIST pattern; `Inbox` is not yet told from `inbox`."""
        return self._name(LIST_MAILBOX)

    def _name(self, bare: "re.Pattern[bytes]") -> str:
        found = self.match(bare)
        written = found[0] if found else self.string()
        try:
            return decode_name(written, utf8=self.utf8)
        except ValueError:
            raise BadSyntax("invalid mailbox name") from None

    def sequence(self) -> SequenceSet:
        found = self.match(SEQUENCE)
        if not found:
            raise BadSyntax("expected a message set")
        try:
            return parse_sequence(found[0])
        except ValueError as error:
            raise BadSyntax(str(error)) from None

    def list_of(self, item: Callable[[], T], *, empty: bool = False) -> list[T]:
        """`(` item *(SP item) `)`"""
        self.expect(b"(")
        if empty and self.skip(b")"):
            return []
        items = [item()]
        while not self.skip(b")"):
            self.space()
            items.append(item())
        return items

    def flag(self) -> str:
        found = self.match(FLAG)
        if not found:
            raise BadSyntax("invalid flag")
        return found[0].decode()

    def flags(self) -> tuple[int, frozenset[str]]:
        """flag-list, or bare flags as STORE allows: bits of `mail.store.flags`, and keywords."""
        if self.peek() == b"(":
            names = self.list_of(self.flag, empty=True)
        else:
            names = [self.flag()]
            while self.skip(b" "):
                names.append(self.flag())
        try:
            return parse_flags(names)
        except ValueError as error:
            raise BadSyntax(str(error)) from None

    def date_time(self) -> int:
        """Milliseconds since 1970 UTC."""
        found = self.match(DATE_TIME)
        if not found:
            raise BadSyntax("invalid date-time")
        day, month, year, hour, minute, second, sign, zone = (part.decode() for part in found.groups())
        days = _days(int(day), month, int(year))
        offset = int(zone[:2]) * 3600 + int(zone[2:]) * 60
        if int(hour) > 23 or int(minute) > 59 or int(second) > 60 or int(zone[2:]) > 59:
            raise BadSyntax("invalid date-time")
        seconds = days + int(hour) * 3600 + int(minute) * 60 + int(second)
        return 1000 * (seconds + offset if sign == "-" else seconds - offset)

    def date(self) -> int:
        """Midnight that begins the day, milliseconds since 1970, zones disregarded as SEARCH does."""
        quoted = self.skip(b'"')
        found = self.match(DATE)
        if not found:
            raise BadSyntax("invalid date")
        if quoted:
            self.expect(b'"')
        return 1000 * _days(int(found[1]), found[2].decode(), int(found[3]))


def _days(day: int, month: str, year: int) -> int:
    """Seconds from 1970 to the day. Raises BadSyntax for a day that is not in the calendar."""
    if month.lower() not in MONTHS:
        raise BadSyntax("invalid month")
    number = MONTHS.index(month.lower()) + 1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 29 if number == 2 and leap else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[number - 1]
    if not 1 <= day <= length or year < 1:
        raise BadSyntax("invalid date")
    return timegm((year, number, day, 0, 0, 0))
