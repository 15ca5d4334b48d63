"""The words of a message by which the junk filter knows it, and the numbers under which their counts are kept.

    words(octets, scan(octets)) -> ["Subject:cheap", ..., "has:list-id", ..., "type:text/html", ..., "watches", ...]

The same octets give the same words in the same order, at most WORDS_MAX of them, from at most TEXT_MAX of text: so an
explanation can be computed again from the message, and only numbers need to be stored.
"""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

from mail.junk.markup import read_markup
from mail.junk.signs import header_signs, link_signs, shouted, structure_signs
from mail.junk.vocabulary import pieces, runs, words_of
from mail.message.fields import Octets
from mail.message.scan import Part, Scanned, scan
from mail.message.text import decode, decode_transfer

WORDS_MAX = 1000
TEXT_MAX = 32 << 10
# Encoded text is at most three times as long as what it says (quoted-printable).
_ENCODED_MAX = 3 * TEXT_MAX
# How many words' numbers are remembered; a message shares most of its words with the others.
NUMBERS_MAX = 1 << 15

# A Content-Type that is no type: whoever sends that hides something, and the message is junk whatever else it says.
BROKEN_TYPE = "type:broken"
_NOT_TOKEN = frozenset(b' ()<>@,;:\\"[]?=')


def words(octets: Octets, scanned: Scanned) -> list[str]:
    """Each word once, signs before text. Never raises."""
    parts = list(scanned.parts())
    found: dict[str, None] = {}
    if any(_is_broken(part) for part in parts):
        found[BROKEN_TYPE] = None
    found.update(dict.fromkeys(header_signs(scanned.root)))
    found.update(dict.fromkeys(structure_signs(parts)))
    text, links = _text(octets, parts)
    found.update(dict.fromkeys(link_signs(text, links)))
    for run in runs(text):
        if len(found) >= WORDS_MAX:
            break
        cut = dict.fromkeys(pieces(run))
        found.update(dict.fromkeys(shouted(cut)))
        found.update(dict.fromkeys(words_of(cut)))
    return list(found)[:WORDS_MAX]


def number(word: str) -> int:
    """The signed 64-bit number of a word."""
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


class _Numbers(dict[str, int]):
    """Begun anew when it is full: keeping an order would cost as much as a look-up."""

    def __missing__(self, word: str) -> int:
        if len(self) >= NUMBERS_MAX:
            self.clear()
        made = self[word] = number(word)
        return made


_NUMBERS = _Numbers()


def hashes(found: Iterable[str]) -> list[int]:
    """The number of each word, in order."""
    return list(map(_NUMBERS.__getitem__, found))


def message_numbers(octets: Octets) -> list[int]:
    """The numbers of all words of a message."""
    return hashes(words(octets, scan(octets)))


def pack(numbers: Iterable[int]) -> bytes:
    """Numbers as octets, eight each, to pass on between programs of one host."""
    return array("q", numbers).tobytes()


def unpack(octets: bytes) -> list[int]:
    """The reverse of pack. ValueError when the length is none of a list of numbers."""
    numbers = array("q")
    numbers.frombytes(octets)
    return numbers.tolist()


def _is_broken(part: Part) -> bool:
    """RFC 2045 §5.1: a type is `token "/" token`, before any parameter."""
    declared = part.first(b"content-type")
    if declared is None:
        return False
    kind, slash, subtype = declared.partition(b"(")[0].partition(b";")[0].strip().partition(b"/")
    return not (kind and slash and subtype) or bool(_NOT_TOKEN.intersection(kind + subtype))


def _text(octets: Octets, parts: list[Part]) -> tuple[str, list[str]]:
    """What the text parts say, joined, and the links in their markup."""
    shown: list[str] = []
    links: list[str] = []
    left = TEXT_MAX
    for part in parts:
        if left <= 0:
            break
        if part.type != b"text":
            continue
        text = _decoded(octets, part)[:left]
        left -= len(text)
        if part.subtype == b"html":
            text, led = read_markup(text)
            links += led
        shown.append(text)
    return "\n".join(shown), links


def _decoded(octets: Octets, part: Part) -> str:
    raw = octets[part.body : min(part.end, part.body + _ENCODED_MAX)]
    content = decode_transfer(raw, part.encoding.decode("ascii", "replace"))
    charset = part.content_type.get(b"charset") or b""
    return decode((raw if content is None else content)[:_ENCODED_MAX], charset.decode("ascii", "replace"))
