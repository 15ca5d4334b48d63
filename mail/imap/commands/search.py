"""SEARCH and UID SEARCH. RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 7162 §3.1.5 (MODSEQ)."""

from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.sequence import SequenceSet
from mail.store.flags import ANSWERED, BITS, DELETED, DRAFT, FLAGGED, SEEN

# Security EX-2.
KEYS_MAX = 500
DEPTH_MAX = 50

FLAG_KEYS = {"ANSWERED": ANSWERED, "DELETED": DELETED, "DRAFT": DRAFT, "FLAGGED": FLAGGED, "SEEN": SEEN}
TEXT_KEYS = ("BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO")
DATE_KEYS = ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")
RETURNS = ("MIN", "MAX", "ALL", "COUNT", "SAVE")
CHARSETS = ("US-ASCII", "UTF-8")


@dataclass(frozen=True, slots=True)
class All:
    """ALL; with `none`, what nothing is: \\Recent is gone."""

    none: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """All of these bits are set, or with `unset` none."""

    bit: int
    unset: bool = False


@dataclass(frozen=True, slots=True)
class Keyword:
    name: str
    unset: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """`where` is one of TEXT_KEYS, or HEADER with a field name."""

    where: str
    needle: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Date:
    """`where` is one of DATE_KEYS; `day` counts from 1970."""

    where: str
    day: int


@dataclass(frozen=True, slots=True)
class Size:
    octets: int
    larger: bool


@dataclass(frozen=True, slots=True)
class Messages:
    wanted: SequenceSet
    uid: bool


@dataclass(frozen=True, slots=True)
class Modseq:
    least: int


@dataclass(frozen=True, slots=True)
class And:
    keys: "tuple[Key, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    left: "Key"
    right: "Key"


@dataclass(frozen=True, slots=True)
class Not:
    key: "Key"


Key = All | Flag | Keyword | Text | Date | Size | Messages | Modseq | And | Or | Not


@dataclass(frozen=True, slots=True)
class Search:
    key: Key
    uid: bool
    returns: tuple[str, ...] | None = None
    charset: str = ""


class _Keys:
    """Reads keys, counting them."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self.cursor = cursor
        self.charset = charset
        self.left = KEYS_MAX

    def several(self, depth: int, *, closed: bool) -> Key:
        """Keys to the end, or to the closing parenthesis."""
        keys = [self.one(depth)]
        while not (self.cursor.skip(b")") if closed else self.cursor.at_end()):
            self.cursor.space()
            keys.append(self.one(depth))
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def one(self, depth: int) -> Key:
        self.left -= 1
        if self.left < 0:
            raise BadSyntax("too many search keys")
        if depth > DEPTH_MAX:
            raise BadSyntax("search keys nested too deeply")
        cursor = self.cursor
        if cursor.skip(b"("):
            return self.several(depth + 1, closed=True)
        if cursor.peek() in b"0123456789*$" and cursor.peek():
            return Messages(cursor.sequence(), uid=False)
        return self.named(cursor.word(), depth)

    def named(self, name: str, depth: int) -> Key:
        cursor = self.cursor
        if name in ("ALL", "OLD"):
            return All()
        if name in ("RECENT", "NEW"):
            return All(none=True)
        if name in FLAG_KEYS:
            return Flag(FLAG_KEYS[name])
        if name.removeprefix("UN") in FLAG_KEYS and name.startswith("UN"):
            return Flag(FLAG_KEYS[name.removeprefix("UN")], unset=True)
        cursor.space()
        if name in ("KEYWORD", "UNKEYWORD"):
            word = cursor.atom().lower()
            unset = name == "UNKEYWORD"
            return Flag(BITS[word], unset) if word in BITS else Keyword(word, unset)
        if name in TEXT_KEYS:
            return Text(name, self.text())
        if name == "HEADER":
            field = cursor.text().lower()
            cursor.space()
            return Text("HEADER", self.text(), field)
        if name in DATE_KEYS:
            return Date(name, cursor.date() // 86_400_000)
        if name in ("LARGER", "SMALLER"):
            return Size(cursor.number(bits=63), larger=name == "LARGER")
        if name == "UID":
            return Messages(cursor.sequence(), uid=True)
        if name == "MODSEQ":
            return self.modseq()
        if name == "NOT":
            return Not(self.one(depth + 1))
        if name == "OR":
            left = self.one(depth + 1)
            cursor.space()
            return Or(left, self.one(depth + 1))
        raise BadSyntax(f"unknown search key {name[:40]}")

    def text(self) -> str:
        octets = self.cursor.astring()
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            raise BadSyntax("search text is not UTF-8") from None

    def modseq(self) -> Key:
        """search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer"""
        if self.cursor.peek() == b'"':
            self.cursor.string()
            self.cursor.space()
            if self.cursor.word() not in ("ALL", "PRIV", "SHARED"):
                raise BadSyntax("invalid entry type")
            self.cursor.space()
        return Modseq(self.cursor.number(bits=63))


def parse(cursor: Cursor, uid: bool = False) -> Search:
    cursor.space()
    returns = None
    if cursor.skip(b"RETURN "):
        returns = tuple(dict.fromkeys(cursor.list_of(cursor.word, empty=True)))
        unknown = [name for name in returns if name not in RETURNS]
        if unknown:
            raise BadSyntax(f"unknown search return option {unknown[0][:40]}")
        cursor.space()
    charset = ""
    if cursor.skip(b"CHARSET "):
        charset = cursor.text().upper()
        cursor.space()
        if charset not in CHARSETS:
            # Answered with NO, whatever the keys are: RFC 9051 §6.4.4.
            cursor.place = len(cursor.octets)
            return Search(All(), uid, returns, charset)
    return Search(_Keys(cursor, charset).several(0, closed=False), uid, returns, charset)


def uses_modseq(key: Key) -> bool:
    """Does it ask for mod-sequences anywhere."""
    waiting = [key]
    while waiting:
        one = waiting.pop()
        match one:
            case Modseq():
                return True
            case And():
                waiting.extend(one.keys)
            case Or():
                waiting += [one.left, one.right]
            case Not():
                waiting.append(one.key)
            case _:
                pass
    return False
