"""Rules of a destination: which mailbox a message goes to, and whether it is a list's or a forwarder's.

The first ruleset whose conditions all hold is the one. Addresses, names and values are compared in lower case, by
expressions of `mail.policy.patterns`. Features-1 §16 has what is allowed in one.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

import orjson

from mail.address import parse_domain
from mail.errors import BadAddress, Invalid
from mail.message.fields import Header
from mail.message.words import decode_words
from mail.policy.facts import INBOX, MessageFacts, is_within
from mail.policy.patterns import TEXT_MAX, compiled, matches

HEADERS_MAX = 20
COMMENT_MAX = 1000
NAME_MAX = 100
# What is looked at of a message's header, for all rulesets together; and of the header itself.
VALUES_MAX = 64 << 10
FIELDS_OCTETS = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """Conditions (empty: not set), then what follows when they hold."""

    ruleset_id: int = 0
    smtp_mail_from: str = ""
    msg_from: str = ""
    verified_domain: str = ""  # SPF, DKIM or the login of its author proves it or a domain below it
    headers: tuple[tuple[str, str], ...] = ()  # (name, value): one such field for each pair
    mailbox: str = ""
    is_forward: bool = False
    list_allow_domain: str = ""
    accept_rejects_to: str = ""
    comment: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Ruleset":
        """`Invalid` when the values are not those of a ruleset; `check` says whether it may be used."""
        types = {one.name: one.type for one in fields(cls)}
        try:
            pairs = tuple((name, value) for name, value in values.get("headers", ()))
            ruleset = cls(**{**values, "headers": pairs})
        except (TypeError, ValueError) as error:
            raise Invalid(public=f"not a ruleset: {error}") from error
        texts = [part for pair in pairs for part in pair]
        plain = all(type(value) is types[name] for name, value in values.items() if name != "headers")
        if not plain or not all(isinstance(text, str) for text in texts):
            raise Invalid(public="not a ruleset: a value is of the wrong type")
        return ruleset


def parse_ruleset(text: str) -> Ruleset:
    """A ruleset from its JSON, as the store keeps it. `Invalid` says what is wrong."""
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(public=f"a ruleset is a JSON object: {error}") from error
    if not isinstance(values, dict):
        raise Invalid(public="a ruleset is a JSON object")
    ruleset = Ruleset.from_json(values)
    check(ruleset)
    return ruleset


def check(ruleset: Ruleset) -> None:
    """Raises `Invalid`, whose `public` says what is wrong with the ruleset."""
    if not (ruleset.smtp_mail_from or ruleset.msg_from or ruleset.verified_domain or ruleset.headers):
        raise Invalid(public="a ruleset needs at least one condition")
    if len(ruleset.headers) > HEADERS_MAX or len(ruleset.comment) > COMMENT_MAX:
        raise Invalid(public=f"a ruleset has at most {HEADERS_MAX} headers and {COMMENT_MAX} characters of comment")
    for pattern in (ruleset.smtp_mail_from, ruleset.msg_from, *(part for pair in ruleset.headers for part in pair)):
        compiled(pattern)
    for domain in (ruleset.verified_domain, ruleset.list_allow_domain):
        _check_domain(domain)
    if ruleset.is_forward and not (ruleset.smtp_mail_from and ruleset.verified_domain):
        raise Invalid(public="a ruleset for forwarded mail needs the SMTP sender and the verified domain as conditions")
    if ruleset.is_forward and ruleset.list_allow_domain:
        raise Invalid(public="a ruleset is for forwarded mail or for a mailing list, not for both")
    if not ruleset.mailbox:
        raise Invalid(public="a ruleset needs a mailbox")
    for name in (ruleset.mailbox, ruleset.accept_rejects_to):
        if not unicodedata.is_normalized("NFC", name):
            raise Invalid(public=f"mailbox name is not in Unicode form NFC: {name!r}")
    if ruleset.accept_rejects_to.casefold() == INBOX.casefold():
        raise Invalid(public="rejected messages cannot be accepted into the inbox")


def _check_domain(domain: str) -> None:
    try:
        known = not domain or parse_domain(domain) == domain
    except BadAddress as error:
        raise Invalid(public=f"bad domain {domain!r}: {error}") from error
    if not known:
        raise Invalid(public=f"a domain is written in lower case and A-labels: {domain!r}")


def fields_of(header: Header) -> tuple[tuple[str, str], ...]:
    """(name, decoded value): a header as rulesets see it, as far as FIELDS_OCTETS go.

    A ruleset must not be led by what only we may write: hand in a header without that (`mail.message.relayed`).
    """
    kept: list[tuple[str, str]] = []
    room = FIELDS_OCTETS
    for one in header.fields:
        room -= len(one.raw)
        if room < 0:
            break
        kept.append((one.name.decode("latin-1"), decode_words(one.value)))
    return tuple(kept)


def first_match(
    rulesets: Iterable[Ruleset], message: MessageFacts, header: Iterable[tuple[str, str]]
) -> Ruleset | None:
    """The first ruleset whose conditions hold. `header` has names and decoded values; it is read only where needed."""
    unread = iter(header)
    read: list[tuple[str, str]] | None = None
    for ruleset in rulesets:
        if not _envelope_holds(ruleset, message):
            continue
        if ruleset.headers:
            if read is None:
                read = _bounded(unread)
            if not _headers_hold(ruleset, read):
                continue
        return ruleset
    return None


def _envelope_holds(ruleset: Ruleset, message: MessageFacts) -> bool:
    if ruleset.smtp_mail_from and not matches(ruleset.smtp_mail_from, message.mail_from):
        return False
    if ruleset.msg_from and not matches(ruleset.msg_from, message.author):
        return False
    wanted = ruleset.verified_domain
    return not wanted or any(is_within(domain, wanted) for domain in message.verified_domains)


def _bounded(header: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    left = VALUES_MAX
    for name, value in header:
        fields.append((name[:NAME_MAX], value.strip()))
        left -= min(len(value), TEXT_MAX) + len(name)
        if left < 0:
            break
    return fields


def _headers_hold(ruleset: Ruleset, header: list[tuple[str, str]]) -> bool:
    return all(
        any(_name_matches(name, one) and matches(value, text) for one, text in header)
        for name, value in ruleset.headers
    )


# The same few names come in every message.
_name_matches = lru_cache(maxsize=4096)(matches)
