"""What counts as a word: letters and digits, neither one digit string nor a random one.

    pieces("Cheap watches, 12345abc") -> ["Cheap", "watches", "12345abc"], of which is_word() refuses the last

Scripts without spaces (Chinese, Japanese) are cut into overlapping pairs, which stand in for their words.
"""

import re
from collections.abc import Iterable

LENGTH_MIN = 3
LENGTH_MAX = 40

# Letters, digits, and an apostrophe between letters.
_PIECE = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
# Six or more consonants or digits 2 to 9 in a row: no language, but what generators of random strings write.
# Four digits in a row are a number, a date or an id.
_REFUSED = re.compile(r"[b-df-hj-np-tv-xz2-9]{6}|[0-9]{4}")
_HEX = re.compile(r"[0-9a-f]+")
_DIGIT = re.compile(r"[0-9]")
# From here on lie the scripts of East Asia: radicals, kana, ideographs, Hangul.
_EAST_ASIA = "\u2e80"


def pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def is_word(word: str) -> bool:
    """Whether a lower-case piece may be counted."""
    if not LENGTH_MIN <= len(word) <= LENGTH_MAX or word.isdigit():
        return False
    if not word.isascii():
        return True
    if _REFUSED.search(word):
        return False
    return word.isalpha() or not (len(_DIGIT.findall(word)) >= 3 and _HEX.fullmatch(word))


def words_of(cut: Iterable[str]) -> list[str]:
    """The lower-case words among pieces, each once, in order."""
    found: list[str] = []
    for word in dict.fromkeys(map(str.lower, cut)):
        if not word.isascii() and max(word) >= _EAST_ASIA:
            found += [word[at : at + 2] for at in range(min(len(word), LENGTH_MAX) - 1)]
        elif is_word(word):
            found.append(word)
    return found
