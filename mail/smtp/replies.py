"""Replies: one spelling for each error, and how one looks on the wire. RFC 5321 §4.2, RFC 2034, RFC 3463.

1. An error that is ours is temporary (4yz) unless its class says that it can never be otherwise.
2. Every refusal ends with the conversation's id in parentheses, so that a sender's log line leads to ours.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mail import errors

# code SP [ enhanced SP ] text, of a refusal an administrator may give to an address.
_REFUSAL = re.compile(r"(421|550)(?: ([45])(\.\d{1,3}\.\d{1,3}))? ([!-~][ -~]{0,299})")
TEXT_LIMIT = 400  # RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    enhanced: str  # "" where RFC 2034 §4 has none: greeting, EHLO, HELO, AUTH challenge
    text: str
    reason: str = ""  # for the trace, a word of mail.receive.refusals; not for the wire

    @property
    def refused(self) -> bool:
        return self.code >= 400

    @property
    def closes(self) -> bool:
        """RFC 5321 §3.8: the server says 421 and closes."""
        return self.code == 421


class BadCommand(Exception):
    """What the peer sent breaks the grammar, or may not come now."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


REPLY_FOR: dict[type[errors.MailError], tuple[int, str]] = {
    errors.MailError: (451, "4.3.0"),
    errors.Unavailable: (451, "4.3.0"),
    errors.StorageFull: (452, "4.3.1"),
    errors.StorageFault: (451, "4.3.0"),
    errors.Busy: (451, "4.2.0"),
    errors.NoSuchAddress: (550, "5.1.1"),
    errors.NoSuchMailbox: (550, "5.1.1"),
    errors.OverQuota: (452, "4.2.2"),
    errors.SendLimit: (451, "4.7.1"),
    errors.TooLarge: (552, "5.3.4"),
    errors.BadAddress: (501, "5.1.3"),
    errors.BadCredentials: (535, "5.7.8"),
    errors.LoginDisabled: (525, "5.7.13"),
    errors.TooManyFailures: (421, "4.7.0"),
    errors.NotAllowed: (550, "5.7.1"),
}


def reply_for(error: errors.MailError) -> Reply:
    kind = next(kind for kind in type(error).__mro__ if kind in REPLY_FOR)
    code, enhanced = REPLY_FOR[kind]
    return Reply(code, enhanced, error.public)


def parse_refusal(text: str) -> Reply:
    """`421 …` or `550 …` with words of its own, an enhanced code before them or the usual one. Invalid otherwise."""
    match = _REFUSAL.fullmatch(text)
    if match is None or (match[2] and match[2] != match[1][0]):
        raise errors.Invalid(public=f"{text!r} should be 421 or 550 and a text, as in: 550 no such user")
    code = int(match[1])
    enhanced = f"{match[2]}{match[3]}" if match[2] else ("4.2.1" if code == 421 else "5.1.1")
    return Reply(code, enhanced, match[4])


def render(reply: Reply, cid: str) -> bytes:
    """The reply as one line; a refusal carries the conversation's id."""
    text = f"{reply.enhanced} {reply.text}" if reply.enhanced else reply.text
    if reply.code >= 400:
        text = f"{_one_line(text)} ({cid})"
    return f"{reply.code} {text}\r\n".encode("ascii", "replace")


def render_lines(code: int, lines: Iterable[str]) -> bytes:
    """A reply of several lines, as EHLO's. RFC 5321 §4.2.1."""
    *most, last = lines
    return "".join([f"{code}-{line}\r\n" for line in most] + [f"{code} {last}\r\n"]).encode("ascii", "replace")


def _one_line(text: str) -> str:
    # `public` of an error may come from a person (a disabled login's message): it must not end the line.
    return "".join(character if character.isprintable() else "?" for character in text)[:TEXT_LIMIT]
