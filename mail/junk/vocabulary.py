"""What counts as a word: letters and digits, neither one digit string nor a random one.

    pieces("Cheap watches, 12345abc") -> ["Cheap", "watches", "12345abc"], the last of which words_of() refuses

Scripts without spaces (Chinese, Japanese) are cut into overlapping pairs, which stand in for their words.
Plain ASCII goes by operations on the whole string: a pattern tried on each word costs three times as much.
"""

import re
from collections.abc import Iterable, Iterator

LENGTH_MIN = 3
LENGTH_MAX = 40
# How much of a text is cut at a time; of a long one the first words are enough.
RUN = 8192

# Letters, digits, and an apostrophe between letters.
_PIECE = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
_SPACE = re.compile(r"\s")
_HEX = re.compile(r"[0-9a-f]+")
_DIGIT = re.compile(r"[0-9]")
# From here on lie the scripts of East Asia: radicals, kana, ideographs, Hangul.
_EAST_ASIA = "\u2e80"

_PARTING = str.maketrans({letter: " " for letter in map(chr, range(128)) if not letter.isalnum() and letter != "'"})
# Six or more consonants or digits 2 to 9 in a row: no language, but what generators of random strings write.
_HARD = str.maketrans(dict.fromkeys("bcdfghjklmnpqrstvwxz23456789", "#"))
_RANDOM = "######"
# Four digits in a row are a number, a date or an id.
_NUMBER = re.compile(r"[0-9]{4}")


def runs(text: str) -> Iterator[str]:
    """The text in parts of about RUN characters, none of which ends inside a word that has an end."""
    at = 0
    while at < len(text):
        space = _SPACE.search(text, at + RUN)
        end = space.end() if space is not None else len(text)
        yield text[at:end]
        at = end


def pieces(text: str) -> list[str]:
    if not text.isascii():
        return _PIECE.findall(text)
    parted = text.translate(_PARTING).split()
    if "'" not in text:
        return parted
    return [piece for part in parted for piece in (_PIECE.findall(part) if "'" in part else (part,))]


def words_of(cut: Iterable[str]) -> list[str]:
    """The lower-case words among pieces, each once, in order; those of plain ASCII first."""
    unique = list(dict.fromkeys(map(str.lower, cut)))
    joined = "\n".join(unique)
    if joined.isascii():
        return _plain(unique, joined)
    plain = [word for word in unique if word.isascii()]
    found = _plain(plain, "\n".join(plain))
    for word in unique:
        if word.isascii():
            continue
        if max(word) >= _EAST_ASIA:
            found += [word[at : at + 2] for at in range(min(len(word), LENGTH_MAX) - 1)]
        elif LENGTH_MIN <= len(word) <= LENGTH_MAX and not word.isdigit():
            found.append(word)
    return found


def _plain(unique: list[str], joined: str) -> list[str]:
    """The words among lower-case pieces of ASCII. `joined`: the same in one string, a line each."""
    return [
        word
        for word, shape in zip(unique, joined.translate(_HARD).split("\n"), strict=False)
        if LENGTH_MIN <= len(word) <= LENGTH_MAX and _RANDOM not in shape and (word.isalpha() or not _is_number(word))
    ]


def _is_number(word: str) -> bool:
    """Is a piece with digits (or apostrophes) a number or an id in letters and digits."""
    if word.isdigit() or _NUMBER.search(word):
        return True
    return len(_DIGIT.findall(word)) >= 3 and _HEX.fullmatch(word) is not None
