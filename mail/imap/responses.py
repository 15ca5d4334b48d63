"""What the server says: tagged replies, response codes, strings, and the table from errors to codes.

RFC 9051 §7; codes of RFC 5530 are part of RFC 9051 §7.1.
"""

import re
from dataclasses import dataclass

from mail import errors
from mail.errors import MailError
from mail.imap.mailbox_names import encode_name

# What may stand between quotes as it is. Long text is better as a literal: RFC 9051 §4.3.
QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}\Z")
QUOTABLE_UTF8 = re.compile(rb"[^\x00-\x1f\x7f]{0,1000}\Z")


@dataclass(frozen=True, slots=True)
class Reply:
    """How a command ended. `code` without brackets. An empty text becomes `<COMMAND> completed.`"""

    status: str
    code: str = ""
    text: str = ""


# The command answers later (IDLE) or has answered (STARTTLS).
HELD = Reply("")


def ok(code: str = "", text: str = "") -> Reply:
    return Reply("OK", code, text)


def no(code: str, text: str) -> Reply:
    return Reply("NO", code, text)


def bad(text: str, code: str = "") -> Reply:
    return Reply("BAD", code, text)


def render_reply(tag: str, verb: str, reply: Reply) -> bytes:
    code = f"[{reply.code}] " if reply.code else ""
    text = reply.text or f"{verb} {'completed' if reply.status == 'OK' else 'failed'}."
    return f"{tag} {reply.status} {code}{text}\r\n".encode()


def quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal(text: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(text), text)


def string(text: bytes, *, utf8: bool = False) -> bytes:
    """Quoted where that is allowed, else a literal."""
    return quoted(text) if (QUOTABLE_UTF8 if utf8 else QUOTABLE).match(text) else literal(text)


def nstring(text: bytes | None, *, utf8: bool = False) -> bytes:
    return b"NIL" if text is None else string(text, utf8=utf8)


def mailbox(name: str, *, utf8: bool) -> bytes:
    """A mailbox name, always as a string: nothing to think about for `NIL` or a name like an atom."""
    return string(encode_name(name, utf8=utf8), utf8=utf8)


# The one spelling of our errors on this wire. `public` is the text.
CODES: dict[type[MailError], str] = {
    errors.NoSuchMailbox: "NONEXISTENT",
    errors.NoSuchAddress: "NONEXISTENT",
    errors.MailboxExists: "ALREADYEXISTS",
    errors.MailboxHasChildren: "HASCHILDREN",
    errors.MailboxRefused: "CANNOT",
    errors.OverQuota: "OVERQUOTA",
    errors.TooLarge: "TOOBIG",
    errors.BadCredentials: "AUTHENTICATIONFAILED",
    errors.LoginDisabled: "CONTACTADMIN",
    errors.TooManyFailures: "AUTHENTICATIONFAILED",
    errors.StorageFull: "UNAVAILABLE",
    errors.StorageFault: "UNAVAILABLE",
    errors.Unavailable: "UNAVAILABLE",
    errors.Busy: "INUSE",
    errors.NotAllowed: "NOPERM",
    errors.NotFound: "NONEXISTENT",
    errors.Exists: "ALREADYEXISTS",
    errors.Invalid: "CANNOT",
    errors.Bug: "SERVERBUG",
    MailError: "UNAVAILABLE",
}


def reply_for(error: MailError) -> Reply:
    kind = next(kind for kind in type(error).__mro__ if kind in CODES)
    text = error.public.replace("\r", " ").replace("\n", " ")
    return no(CODES[kind], text[:1].upper() + text[1:])
