"""What we say of a message we checked: the Authentication-Results and Received-SPF fields.

    authentication_results("mx.example.org", [iprev("pass", "192.0.2.1"), dmarc("pass", "example.org")])

Most of what is written here was chosen by a stranger (selectors, addresses, HELO names). It is written as a token or an
address where it is one and as a quoted string elsewhere, with no control character in it; the finished field is read
again by our own parser (security MC-2). In a message that is not SMTPUTF8 all is ASCII. RFC 8601 §2.2, RFC 8616 (for
internationalized mail), RFC 7208 §9.1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mail.errors import Bug
from mail.message.build import build_header

# Octets; escaped it still fits into a line of 998.
VALUE_MAX = 400

# Keyword (RFC 5321 §4.1.2): methods, results, ptypes, properties
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
# value = token / quoted-string, where the token is that of RFC 2045 §5.1
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~\u00a0-\U0010ffff-]+")
# [ [ local-part ] "@" ] domain-name, where the localpart needs no quotes and does not make "=?" of the "=" before it
_MAILBOX = re.compile(r"(?!\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff.-]*@[A-Za-z0-9._\u00a0-\U0010ffff-]+")
# dot-atom (RFC 7208 §9.1)
_DOT_ATOM = re.compile(r"(?!\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# What no field may hold: controls, what some reader takes for a line end, halves of a character.
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\ud800-\udfff]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Method:
    """One check. `properties` are (ptype, property, value); one without a value is left out. `comment`: for people."""

    name: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str, str], ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SpfCheck:
    """For Received-SPF. `identity` is "mailfrom" or "helo"; what is empty is left out."""

    result: str
    identity: str
    client_ip: str
    envelope_from: str
    helo: str
    receiver: str
    mechanism: str = ""
    problem: str = ""
    comment: str = ""


def authentication_results(hostname: str, methods: Iterable[Method], *, smtputf8: bool = False) -> bytes:
    """One Authentication-Results field with its CRLF; `hostname` is our authserv-id."""
    parts = [_method(method, smtputf8) for method in methods] or ["none"]
    return build_header([("Authentication-Results", "; ".join([_value(hostname, smtputf8), *parts]))])


def received_spf(check: SpfCheck, *, smtputf8: bool = False) -> bytes:
    """One Received-SPF field with its CRLF."""
    pairs = {
        "client-ip": check.client_ip,
        "envelope-from": check.envelope_from,
        "helo": check.helo,
        "identity": check.identity,
        "receiver": check.receiver,
        "mechanism": check.mechanism,
        "problem": check.problem,
    }
    written = "; ".join(f"{key}={_dot_atom(value, smtputf8)}" for key, value in pairs.items() if value)
    return build_header([("Received-SPF", f"{_keyword(check.result)}{_comment(check.comment, smtputf8)} {written}")])


def iprev(result: str, ip: str, *, comment: str = "") -> Method:
    """RFC 8601 §2.7.3."""
    return Method("iprev", result, properties=(("policy", "iprev", ip),), comment=comment)


def dkim(
    result: str,
    *,
    domain: str,
    selector: str,
    identity: str = "",
    algorithm: str = "",
    signature: str = "",
    reason: str = "",
    comment: str = "",
) -> Method:
    """RFC 8601 §2.7.1; `signature` is b=, of which as much is shown as tells signatures apart."""
    properties = (
        ("header", "d", domain),
        ("header", "s", selector),
        ("header", "i", identity),
        ("header", "a", algorithm),
        ("header", "b", signature[:8]),
    )
    return Method("dkim", result, reason, properties, comment)


def spf(result: str, *, mail_from: str = "", helo: str = "", reason: str = "", comment: str = "") -> Method:
    """RFC 8601 §2.7.2; of the null sender's check only `helo` is given."""
    properties = (("smtp", "mailfrom", mail_from), ("smtp", "helo", "" if mail_from else helo))
    return Method("spf", result, reason, properties, comment)


def dmarc(result: str, from_domain: str, *, policy: str = "", reason: str = "", comment: str = "") -> Method:
    """`policy` after sampling. RFC 7489 §11.1."""
    return Method("dmarc", result, reason, (("header", "from", from_domain), ("policy", "dmarc", policy)), comment)


def arc(chain: str, *, oldest_pass: int | None = None, client_ip: str = "", comment: str = "") -> Method:
    """`chain` is cv. RFC 8617 §10.2."""
    oldest = "" if oldest_pass is None else str(oldest_pass)
    properties = (("header", "oldest-pass", oldest), ("smtp", "remote-ip", client_ip))
    return Method("arc", chain, properties=properties, comment=comment)


def auth(result: str, mail_from: str) -> Method:
    """RFC 8601 §2.7.4."""
    return Method("auth", result, properties=(("smtp", "mailfrom", mail_from),))


def _method(method: Method, smtputf8: bool) -> str:
    words = [f"{_keyword(method.name)}={_keyword(method.result)}{_comment(method.comment, smtputf8)}"]
    if method.reason:
        words.append(f"reason={_quoted(_plain(method.reason, smtputf8))}")
    for ptype, name, value in method.properties:
        if value:
            words.append(f"{_keyword(ptype)}.{_keyword(name)}={_value(value, smtputf8)}")
    return " ".join(words)


def _keyword(word: str) -> str:
    if not _KEYWORD.fullmatch(word):
        raise Bug(f"no keyword of a result field: {word!r}")
    return word


def _plain(text: str, smtputf8: bool) -> str:
    """Text that fits into a field: one line, not long, no encoded word, ASCII where it must be."""
    text = _UNSAFE.sub(" ", text[:VALUE_MAX])
    if not text.isascii():
        text = text.encode()[:VALUE_MAX].decode(errors="ignore") if smtputf8 else _NOT_ASCII.sub("?", text)
    # An address may look like an encoded word, and some reader would decode it (security MC-2).
    return text.replace("=?", "= ?")


def _value(text: str, smtputf8: bool) -> str:
    text = _plain(text, smtputf8)
    return text if _TOKEN.fullmatch(text) or _MAILBOX.fullmatch(text) else _quoted(text)


def _dot_atom(text: str, smtputf8: bool) -> str:
    text = _plain(text, smtputf8)
    return text if _DOT_ATOM.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comment(text: str, smtputf8: bool) -> str:
    text = _plain(text, smtputf8)
    return " ({})".format(re.sub(r"[()\\]", r"\\\g<0>", text)) if text else ""
