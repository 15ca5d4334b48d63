"""HTML as the filter reads it: the words a reader would see, and where the links lead.

Comments, script, style and svg are skipped; the alt text of an image is kept. An element inside a line does not part a
word (`via<b></b>gra` is one), any other does. One pass from left to right: each search either moves on or ends the
reading, so hostile markup costs no more than its length. Tags themselves are no words: nearly all unwanted mail has
them and so have newsletters, and telling those apart is the point.
"""

import html
import re
from typing import NamedTuple

LINKS_MAX = 200

_TAG = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9]{0,15})(?![a-zA-Z0-9])([^<>]*+)>|[!?][^<>]*+>)")
_INSIDE_A_LINE = frozenset(("a", "b", "big", "em", "font", "i", "small", "span", "strong", "sub", "sup", "tt", "u"))
_SKIPPED = frozenset(("script", "style", "svg"))
_LINK = re.compile(r"(?:href|src|action|background)\s{0,9}=\s{0,9}[\"']?([^\s\"'>]{3,300})", re.IGNORECASE)
_ALT = re.compile(r"\balt\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)


class Markup(NamedTuple):
    text: str
    links: list[str]


def read_markup(source: str) -> Markup:
    """Never raises, whatever the source."""
    shown: list[str] = []
    links: list[str] = []
    lower = ""
    at = 0
    while (tag := _TAG.search(source, at)) is not None:
        shown.append(source[at : tag.start()])
        at = tag.end()
        comment, closing, name, attributes = tag.groups()
        if comment:
            at = source.find("-->", at) + 3
        elif name is None:
            continue
        else:
            name = name.lower()
            if name not in _INSIDE_A_LINE:
                shown.append(" ")
            if not closing:
                if len(attributes) > 5:
                    _read_attributes(name, attributes, shown, links)
                if name in _SKIPPED and not attributes.endswith("/"):
                    lower = lower or _ascii_lower(source)
                    at = lower.find("</" + name, at)
        if at < 3:
            # What was opened never ends: a reader would see nothing more.
            return Markup(_unescape("".join(shown)), links)
    shown.append(source[at:])
    return Markup(_unescape("".join(shown)), links)


def _read_attributes(name: str, attributes: str, shown: list[str], links: list[str]) -> None:
    if len(links) < LINKS_MAX and "=" in attributes:
        links += _LINK.findall(attributes)
    if name == "img" and (alt := _ALT.search(attributes)) is not None:
        shown.append(f" {alt[1] or alt[2] or ''} ")


def _ascii_lower(source: str) -> str:
    """As long as the source, which str.lower() does not promise."""
    return source.lower() if source.isascii() else "".join(map(_lower_one, source))


def _lower_one(letter: str) -> str:
    return letter.lower() if letter.isascii() else letter


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:
        # A character reference of thousands of digits.
        return text
