"""The text of a message as people read it, for searching and for counting words: decoded, without markup, bounded.

HTML is not parsed, only read past: tags are cut out, a block begins a line, what is never shown is left out. That is
enough to find words, and never enough to show it. One pass, and an end to the tags looked at, whatever the octets.
"""

import html as entities
import re
from functools import lru_cache

from mail.message.fields import Octets
from mail.message.scan import Part, Scanned
from mail.message.text import decode, decode_transfer
from mail.message.words import decode_words

# Octets read for each character wanted: four of UTF-8, three times that in quoted-printable.
OCTETS_EACH = 12
OCTETS_LEAST = 64 << 10
# Tags, attributes with quotes and look-alikes of an end: each costs a look.
STEPS_MAX = 100_000
META_WITHIN = 2048

_SHOWN_OF_MESSAGES = (b"subject", b"from", b"to", b"cc")
_META = re.compile(rb"charset[ \t]{0,9}=[ \t]{0,9}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,19})")
_IN_TAG = re.compile(r"=[ \t\r\n]{0,20}([\"'])|>")
_ALT = re.compile(
    r"[ \t\r\n]alt[ \t\r\n]{0,9}=[ \t\r\n]{0,9}(?:\"([^\"]{0,500})|'([^']{0,500})|([^\s\"'>]{1,500}))", re.IGNORECASE
)
_ENTITY = re.compile(r"&(?:#(?:[0-9]{1,7}(?![0-9])|[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F]))|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_WHITE = str.maketrans("\t\n\f\r\v", "     ")

# Never shown; the first two end only at their own end, whatever stands in them.
_RAW = frozenset({"script", "style"})
_HIDDEN = frozenset({"script", "style", "svg", "head", "template"})
_BLOCKS = re.compile(
    "address|article|aside|blockquote|body|br|center|dd|div|dl|dt|fieldset|figure|footer|form|h[1-6r]|header|html|li|"
    "main|nav|ol|option|p|pre|section|table|tbody|tfoot|thead|tr|ul"
)
_CELLS = frozenset({"td", "th"})


def text_of(octets: Octets, part: Part, most: int) -> str:
    """The first `most` characters of a text part, HTML as text. Never raises."""
    end = min(part.end, part.body + max(OCTETS_EACH * most, OCTETS_LEAST))
    content = octets[part.body : end]
    decoded = decode_transfer(content, part.encoding.decode("latin-1"))
    content = content if decoded is None else decoded
    charset = part.content_type.text(b"charset") or ""
    if part.subtype != b"html":
        return decode(content, charset)[:most]
    if not charset and (declared := _META.search(content, 0, META_WITHIN)):
        charset = declared[1].decode()
    return html_text(decode(content, charset), most)


def search_text(octets: Octets, scanned: Scanned, most: int) -> str:
    """The first `most` characters of all text parts, messages inside with what their headers say of them."""
    found: list[str] = []
    left = most
    for part in scanned.parts():
        if left <= 0:
            break
        texts: list[str] = []
        if part.message is not None:
            fields = part.message.fields
            texts = [decode_words(one.value)[:left] for one in fields if one.name in _SHOWN_OF_MESSAGES]
        elif part.type == b"text":
            texts = [text_of(octets, part, left)]
        for text in texts:
            found.append(text[: max(left, 0)])
            left -= len(text) + 1
    return "\n".join(found)[:most]


def html_text(html: str, most: int) -> str:
    """The text between the tags, at most `most` characters; blocks begin lines, images are their alt text."""
    pieces: list[str] = []
    length = at = 0
    unclosed: set[str] = set()
    for _ in range(STEPS_MAX):
        start = html.find("<", at)
        run = html[at : start if start >= 0 else at + most - length].translate(_WHITE)
        pieces.append(run)
        length += len(run)
        if start < 0 or length >= most:
            break
        tag = _TAG.match(html, start)
        if tag is None:
            at = _past_declaration(html, start, pieces)
            continue
        end = _tag_end(html, tag.end())
        name = tag[2].lower()
        if _BLOCKS.fullmatch(name):
            pieces.append("\n")
        elif name in _CELLS:
            pieces.append(" ")
        elif name == "img" and (alt := _ALT.search(html, tag.end(), min(end, tag.end() + 2000))):
            pieces.append(f" {alt[1] or alt[2] or alt[3] or ''} ".translate(_WHITE))
        at = end
        if name in _HIDDEN and not tag[1] and name not in unclosed and html[end - 2 : end] != "/>":
            at = _past_element(html, name, end)
            if at < 0:
                unclosed.add(name)
                at = len(html) if name in _RAW else end
    text = _ENTITY.sub(_character, "".join(pieces)[:most])
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(filter(None, lines))


def _character(found: re.Match[str]) -> str:
    return _unescaped(found[0])


@lru_cache(maxsize=1024)
def _unescaped(entity: str) -> str:
    return entities.unescape(entity)


def _past_declaration(html: str, start: int, pieces: list[str]) -> int:
    """After a comment, a declaration, or a `<` that begins nothing and is text."""
    if html.startswith("<!--", start):
        end = html.find("-->", start + 2)
        return end + 3 if end >= 0 else len(html)
    if html[start + 1 : start + 2] in ("!", "?", "/"):
        end = html.find(">", start)
        return end + 1 if end >= 0 else len(html)
    pieces.append("<")
    return start + 1


def _tag_end(html: str, at: int) -> int:
    """After the `>` that ends the tag; one in a quoted attribute does not."""
    for _ in range(STEPS_MAX // 100):
        found = _IN_TAG.search(html, at)
        if found is None:
            return len(html)
        if found[1] is None:
            return found.end()
        close = html.find(found[1], found.end())
        if close < 0:
            break
        at = close + 1
    end = html.find(">", at)
    return end + 1 if end >= 0 else len(html)


def _past_element(html: str, name: str, at: int) -> int:
    """After the end tag of an element that is not shown; -1 without one."""
    for _ in range(STEPS_MAX // 100):
        at = html.find("</", at)
        if at < 0:
            return -1
        if html[at + 2 : at + 2 + len(name)].lower() == name:
            return _tag_end(html, at + 2 + len(name))
        at += 2
    return -1
