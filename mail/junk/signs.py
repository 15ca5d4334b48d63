"""Words that no one wrote into the text: signs in the header, in the structure and in the links.

They have a colon, so no word of the text can be mistaken for one: `has:in-reply-to`, `mailer:mutt`, `url:example`,
`message-id:other`. Which signs are read was measured (docs/decisions/junk-tokens.md). What a delivery writes itself
(Received, Return-Path, Delivered-To, flags of a mailbox file) is no sign: it is not there yet when a message is judged
on arrival, and is when its flags change.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import compress, islice

from mail.junk.vocabulary import pieces, words_of
from mail.message.scan import Part
from mail.message.text import decode
from mail.message.words import decode_words

FIELD_TEXT_MAX = 4096
FIELDS_OF_A_NAME_MAX = 5
FIELD_NAMES_MAX = 100
HOSTS_MAX = 50
LINKS_MAX = 400

# In no message a sender wrote, and no certain sign when another server did.
_BY_DELIVERY = frozenset(
    b"received return-path delivered-to delivery-date envelope-to x-original-to x-apparently-to x-envelope-to"
    b" x-envelope-from x-envelope-info status x-status x-keywords x-uid x-mozilla-status x-mozilla-status2"
    b" authentication-results arc-authentication-results arc-seal arc-message-signature received-spf"
    b" x-spam-status x-spam-flag x-spam-level x-spam-score x-spam-checker-version x-virus-scanned x-mailscanner".split()
)
_WORDED = {
    b"from": "From:",
    b"to": "To:",
    b"cc": "Cc:",
    b"bcc": "Bcc:",
    b"reply-to": "Reply-To:",
    b"subject": "Subject:",
    b"sender": "Sender:",
}
HEADER_WORD_MIN = 4

_DOMAIN = re.compile(r"@([a-zA-Z0-9][a-zA-Z0-9.-]{0,252})")
_REPLY = re.compile(r"(?:re|aw|sv|fwd?)\s?(?:\[\d{1,3}\])?:", re.IGNORECASE)
_TAIL = re.compile(r"\s{4}\S{1,40}$")
_SHAPE = ((re.compile(r"[0-9]+"), "9"), (re.compile(r"[A-Z]+"), "A"), (re.compile(r"[a-z]+"), "a"))
_HOST = re.compile(r"(?:https?://|\bwww(?=\.))([^\s/<>\"'()?:]{3,100})(:[0-9]|)", re.IGNORECASE)


def domain_of(text: str) -> str:
    """The domain of the first address, lower case; empty when there is none."""
    match = _DOMAIN.search(text)
    return match[1].lower().rstrip(".") if match else ""


def organization(domain: str) -> str:
    """Roughly the part somebody registered: good enough to compare, with no list to keep."""
    labels = domain.split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3:] if short else labels[-2:])


def header_signs(root: Part) -> Iterator[str]:
    """Words of the named fields, as `Subject:cheap`, then signs in the header."""
    seen: dict[bytes, int] = {}
    first: dict[bytes, str] = {}
    for field in root.fields:
        count = seen[field.name] = seen.get(field.name, 0) + 1
        if count > FIELDS_OF_A_NAME_MAX:
            continue
        if count == 1:
            first[field.name] = ""
        prefix = _WORDED.get(field.name)
        if prefix is None:
            continue
        text = decode_words(field.value[:FIELD_TEXT_MAX])
        if count == 1:
            first[field.name] = text
        for word in words_of(pieces(text)):
            if len(word) >= HEADER_WORD_MIN or not word.isascii():
                yield prefix + word
    for name in list(seen)[:FIELD_NAMES_MAX]:
        if name not in _BY_DELIVERY and not name.startswith(b"x-mailstead-"):
            yield "has:" + name.decode("ascii", "replace")[:40]
    yield from _subject_signs(first.get(b"subject", ""))
    yield from _sender_signs(root, first)
    recipients = first.get(b"to", "") + first.get(b"cc", "")
    hidden = "undisclosed" in recipients.lower()
    yield "to:hidden" if hidden else f"to:{min(5, recipients.count('@'))}"


def _subject_signs(subject: str) -> Iterator[str]:
    if _REPLY.match(subject):
        yield "subject:reply"
    for mark in ("!", "?", "$"):
        if mark in subject:
            yield "subject:" + mark
    letters = [letter for letter in subject if letter.isalpha()]
    if len(letters) > 5:
        # Shouted, in fifths.
        yield f"subject:capitals{sum(map(str.isupper, letters)) * 5 // len(letters)}"
    if _TAIL.search(subject):
        yield "subject:tail"


def _sender_signs(root: Part, first: dict[bytes, str]) -> Iterator[str]:
    sender = first.get(b"from", "")
    domain = domain_of(sender)
    yield "from:" + domain
    yield "from:." + domain.rpartition(".")[2]
    yield "from:" + ("bare" if "<" not in sender else "quoted" if '"' in sender else "named")
    localpart = sender.rpartition("@")[0][-64:]
    if sum(map(str.isdigit, localpart)) > 1:
        yield "from:digits"
    message_id = decode((root.first(b"message-id") or b"")[:400])
    for prefix, text in (("message-id:", message_id), ("reply-to:", first.get(b"reply-to", ""))):
        other = domain_of(text)
        if not other:
            yield prefix + "none"
        elif other == domain:
            yield prefix + "same"
        else:
            yield prefix + ("near" if organization(other) == organization(domain) else "other")
    shape = message_id.partition("@")[0][:100]
    for pattern, letter in _SHAPE:
        shape = pattern.sub(letter, shape)
    yield "message-id:" + shape[:30]
    mailer = decode(((root.first(b"x-mailer") or b"") + b" " + (root.first(b"user-agent") or b""))[:200])
    programs = words_of(pieces(mailer))
    yield from ("mailer:" + word for word in programs)
    if not programs:
        yield "mailer:none"


def structure_signs(parts: Iterable[Part]) -> Iterator[str]:
    """Which types and charsets there are, and whether the text is plain, HTML or both."""
    plain = html = False
    for part in parts:
        kind = part.content_type.value
        plain = plain or kind == b"text/plain"
        html = html or kind == b"text/html"
        yield "type:" + kind[:60].decode("ascii", "replace")
        charset = part.content_type.get(b"charset")
        if charset:
            yield "charset:" + charset[:30].decode("ascii", "replace").lower()
    yield "text:" + ("both" if plain and html else "html" if html else "plain" if plain else "none")


def shouted(cut: Collection[str]) -> Iterator[str]:
    """`^free` for FREE."""
    capitals = compress(cut, map(str.isupper, cut))
    yield from (
        "^" + word for word in words_of(one for one in capitals if len(one) > 3 and one.isascii() and one.isalpha())
    )


def link_signs(text: str, links: list[str]) -> Iterator[str]:
    """The words of the hosts, and what is odd about a link."""
    found = [match.groups() for link in links[:LINKS_MAX] if (match := _HOST.match(link))]
    if "://" in text or "www." in text or "WWW." in text:
        found += [match.groups() for match in islice(_HOST.finditer(text), LINKS_MAX)]
    hosts: dict[str, None] = {}
    for host, port in found:
        hosts[host.lower().rstrip(".")] = None
        if port:
            yield "url:port"
        if "%" in host:
            yield "url:percent"
    for host in list(hosts)[:HOSTS_MAX]:
        if "@" in host:
            yield "url:user"
            host = host.rpartition("@")[2]
        if host.replace(".", "").isdigit():
            yield "url:address"
        yield from ("url:" + word for word in words_of(pieces(host)))
