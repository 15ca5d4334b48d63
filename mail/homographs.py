"""Names that look like other names (security MC-9): what may be made, and how a domain is shown.

1. A new localpart is of one script, the Japanese, Korean and Chinese mixes excepted, and has no invisible characters.
2. It may not look like one the domain has: `skeleton` maps what is drawn alike in Latin, Cyrillic and Greek to one
   spelling. Ours is the short list of letters that are drawn the same in common fonts, not all of Unicode's table.
3. A domain is shown in its own script where each label is of one script, else as the A-labels it is made of.

Only creating and showing look here. Delivery compares names as they are.
"""

import unicodedata

import idna

# Han is written together with the kana, hangul or bopomofo.
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}
_LOOK_ALIKE = str.maketrans(
    "авеѕіјкмнорстухһԁԛԝԍпгь" + "αβγεηικνορτυχω" + "ıɑɡɩʟӏ",
    "abesijkmhopctyxhdqwgnrb" + "abyenikvoptuxw" + "iagill",
)


def one_script(text: str) -> bool:
    """Is every letter of one script, or of scripts that are written together."""
    found = {
        _script(character)
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character)[0] == "L"
    }
    return len(found) <= 1 or found <= _EAST_ASIAN


def _script(letter: str) -> str:
    # The first word of a letter's name is its script: LATIN SMALL LETTER A, CYRILLIC SMALL LETTER IE.
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]


def invisible(text: str) -> bool:
    """Has it characters that show nothing: joiners, marks of direction, spaces that are none, the unassigned."""
    return any(unicodedata.category(one) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for one in text)


def skeleton(text: str) -> str:
    """Two names with one skeleton look the same."""
    folded = unicodedata.normalize("NFKC", text.casefold())
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).translate(_LOOK_ALIKE))


def shown_domain(domain: str) -> str:
    """For people: the U-labels of a domain, where nothing is hidden by them."""
    if "xn--" not in domain:
        return domain
    return ".".join(_shown_label(label) for label in domain.split("."))


def _shown_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        text = idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label
    # A label that is a Latin one in other letters hides just as well as a mixed one.
    return text if one_script(text) and not skeleton(text).isascii() else label
