"""ENVELOPE and BODYSTRUCTURE as IMAP text (RFC 9051 §7.5.2), from a scanned message."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mail.imap.text import nstring, string
from mail.message.addresses import ADDRESSES_MAX, GROUP_END, GROUP_START, Mailbox, read_addresses
from mail.message.fields import Octets
from mail.message.parameters import parse_valued
from mail.message.scan import Part, Scanned

# A mapped message is looked at in pieces of this size.
CHUNK = 1 << 20
_ADDRESSED = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_JOINED = frozenset({b"to", b"cc", b"bcc"})


def addressed(part: Part) -> tuple[dict[bytes, list[Mailbox]], bool]:
    """The addresses of the header this part has, by field, and whether all were read.

    A second To, Cc or Bcc is forbidden (RFC 5322 §3.6); its addresses are shown all the same. Of the others the first
    counts, here and everywhere.
    """
    found: dict[bytes, list[Mailbox]] = {}
    complete = True
    for one in part.fields:
        if one.name not in _ADDRESSED or (one.name in found and one.name not in _JOINED):
            continue
        held = found.setdefault(one.name, [])
        more, whole = read_addresses(one.value) if len(held) < ADDRESSES_MAX else ([], not one.value)
        held += more
        complete = complete and whole
    return found, complete


def envelope(part: Part, lists: dict[bytes, list[Mailbox]] | None = None) -> bytes:
    """The ENVELOPE of the message whose header this part has; `lists` are its addresses where they are known."""
    if lists is None:
        lists, _ = addressed(part)
    shown = {name: _addresses(lists.get(name, [])) for name in _ADDRESSED}
    # RFC 9051 §7.5.2: sender and reply-to that are absent or empty are from.
    for name in (b"sender", b"reply-to"):
        if shown[name] == b"NIL":
            shown[name] = shown[b"from"]
    return b"(%s)" % b" ".join(
        [
            nstring(part.first(b"date")),
            nstring(part.first(b"subject")),
            *(shown[name] for name in _ADDRESSED),
            nstring(part.first(b"in-reply-to")),
            nstring(part.first(b"message-id")),
        ]
    )


def _addresses(found: list[Mailbox]) -> bytes:
    return b"(%s)" % b"".join(map(_address, found)) if found else b"NIL"


def _address(one: Mailbox) -> bytes:
    if one.kind == GROUP_START:
        return b"(NIL NIL %s NIL)" % string(one.localpart)
    if one.kind == GROUP_END:
        return b"(NIL NIL NIL NIL)"
    name, route = nstring(one.name or None), nstring(one.route or None)
    return b"(%s %s %s %s)" % (name, route, string(one.localpart), string(one.domain))


def bodystructure(octets: Octets, scanned: Scanned) -> bytes:
    """The BODYSTRUCTURE with its extension data. Iterative: children are rendered before their parent."""
    done: dict[int, bytes] = {}
    order = list(scanned.parts())
    for part in reversed(order):
        if part.children:
            done[id(part)] = _multipart(part, b"".join(done.pop(id(child)) for child in part.children))
        elif part.message is not None:
            inner = b" %s %s %d" % (envelope(part.message), done.pop(id(part.message)), _lines(octets, part))
            done[id(part)] = b"(%s%s%s)" % (_basic(part), inner, _extension(part))
        else:
            lines = b" %d" % _lines(octets, part) if part.type == b"text" else b""
            done[id(part)] = b"(%s%s%s)" % (_basic(part), lines, _extension(part))
    return done[id(scanned.root)]


def _multipart(part: Part, children: bytes) -> bytes:
    parameters = _parameters(part.content_type.parameters)
    return b"(%s %s %s%s)" % (children, string(part.subtype.upper()), parameters, _disposition(part))


def _basic(part: Part) -> bytes:
    """body-fields: type, subtype, parameters, id, description, encoding, size."""
    return b"%s %s %s %s %s %s %d" % (
        string(part.type.upper()),
        string(part.subtype.upper()),
        _parameters(part.content_type.parameters),
        nstring(part.first(b"content-id")),
        nstring(part.first(b"content-description")),
        string((part.encoding or b"7bit").upper()),
        part.end - part.body,
    )


def _extension(part: Part) -> bytes:
    """body-ext-1part: MD5, then what multipart has too."""
    return b" %s%s" % (nstring(part.first(b"content-md5")), _disposition(part))


def _disposition(part: Part) -> bytes:
    """Disposition, language and location."""
    declared = part.first(b"content-disposition")
    disposition = b"NIL"
    if declared:
        valued = parse_valued(declared)
        disposition = b"(%s %s)" % (string(valued.value.upper()), _parameters(valued.parameters))
    return b" %s %s %s" % (
        disposition,
        _language(part.first(b"content-language")),
        nstring(part.first(b"content-location")),
    )


def _language(declared: bytes | None) -> bytes:
    tags = [tag.strip() for tag in (declared or b"").split(b",", 20)[:20] if tag.strip()]
    if not tags:
        return b"NIL"
    return string(tags[0]) if len(tags) == 1 else b"(%s)" % b" ".join(map(string, tags))


def _parameters(parameters: Iterable[tuple[bytes, bytes]]) -> bytes:
    words = [string(word) for name, value in parameters for word in (name.upper(), value)]
    return b"(%s)" % b" ".join(words) if words else b"NIL"


def _lines(octets: Octets, part: Part) -> int:
    if isinstance(octets, bytes):
        return octets.count(b"\n", part.body, part.end)
    return sum(octets[at : min(at + CHUNK, part.end)].count(b"\n") for at in range(part.body, part.end, CHUNK))


@dataclass(slots=True)
class _List:
    """A parenthesized list of the text: where it lies, and its elements as lists or as spans of a string or atom."""

    start: int
    end: int = 0
    elements: "list[_List | tuple[int, int]]" = field(default_factory=list)


def _read(text: bytes) -> _List:
    """The text as nested lists. It is our own, so it is well formed."""
    root = _List(0)
    stack = [root]
    at = 0
    while at < len(text):
        octet = text[at]
        if octet == 0x28:
            opened = _List(at)
            stack[-1].elements.append(opened)
            stack.append(opened)
            at += 1
        elif octet == 0x29:
            at += 1
            stack.pop().end = at
        elif octet == 0x20:
            at += 1
        else:
            end = _token_end(text, at)
            stack[-1].elements.append((at, end))
            at = end
    first = root.elements[0]
    assert isinstance(first, _List)
    return first


def _token_end(text: bytes, at: int) -> int:
    if text[at] == 0x22:
        at += 1
        while text[at] != 0x22:
            at += 2 if text[at] == 0x5C else 1
        return at + 1
    if text[at] == 0x7B:
        close = text.index(b"}", at)
        return close + 3 + int(text[at + 1 : close])
    while at < len(text) and text[at] not in b" ()":
        at += 1
    return at


# How many elements a body has before its extension data (RFC 9051 §9, body-type-*).
_BASIC_FIELDS, _TEXT_FIELDS, _MESSAGE_FIELDS = 7, 8, 10


def non_extended(text: bytes) -> bytes:
    """BODY from BODYSTRUCTURE: the same without its extension data."""
    cuts: list[tuple[int, int]] = []
    waiting = [_read(text)]
    while waiting:
        node = waiting.pop()
        bodies = [one for one in node.elements if isinstance(one, _List)]
        if isinstance(node.elements[0], _List):
            # Bodies first, then the subtype, which is the last we keep.
            count = next(place for place, one in enumerate(node.elements) if not isinstance(one, _List))
            waiting.extend(bodies[:count])
            keep = count + 1
        else:
            keep, inner = _fields(text, node)
            if inner is not None:
                waiting.append(inner)
        if len(node.elements) > keep:
            last = node.elements[keep - 1]
            cuts.append((last.end if isinstance(last, _List) else last[1], node.end - 1))
    parts: list[bytes] = []
    at = 0
    for start, end in sorted(cuts):
        parts.append(text[at:start])
        at = end
    return b"".join([*parts, text[at:]])


def _fields(text: bytes, node: _List) -> tuple[int, _List | None]:
    """How many elements of a single body stay, and the body inside a message."""
    kind, subtype = (text[slice(*one)] for one in node.elements[:2] if not isinstance(one, _List))
    if kind == b'"TEXT"':
        return _TEXT_FIELDS, None
    if kind == b'"MESSAGE"' and subtype in (b'"RFC822"', b'"GLOBAL"') and len(node.elements) > _MESSAGE_FIELDS:
        inner = node.elements[8]
        if isinstance(inner, _List):
            return _MESSAGE_FIELDS, inner
    return _BASIC_FIELDS, None
