"""The server's side of an AUTH or AUTHENTICATE command, the same for SMTP and IMAP.

    proven = await authenticate(mechanism, initial, ask=world.auth.call, talk=talk, facts=facts)

`talk(challenge)` sends a challenge and returns the client's response, both plain octets: base64, the line limit and the
`*` that aborts are the listener's (it raises what it likes to get out). `ask(verb, args)` calls the auth process, which
alone sees secrets; what it raises (BadCredentials, LoginDisabled, TooManyFailures, Unavailable) comes through.
No mechanism here learns whether a user exists.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mail.errors import BadCredentials

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
Talk = Callable[[bytes], Awaitable[bytes]]

# In the order they are announced, the strongest first. SCRAM-SHA-256-PLUS is not: Python's TLS cannot give the binding
# that clients use under TLS 1.3 (tls-exporter), and one that is offered and fails locks such clients out.
MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")

RESPONSE_MAX = 12_288


@dataclass(frozen=True, slots=True)
class Facts:
    """What the auth process counts and limits by. `service` is smtp, imap or web."""

    service: str
    ip: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Authenticated:
    account_id: int
    account: str
    login: str
    ticket: str


async def authenticate(mechanism: str, initial: bytes | None, *, ask: Ask, talk: Talk, facts: Facts) -> Authenticated:
    """Run the mechanism (upper case, one of MECHANISMS) to its end. `initial` is None when the client sent none."""
    match mechanism:
        case "PLAIN":
            return await _plain(initial if initial is not None else await talk(b""), ask, facts)
        case "LOGIN":
            return await _login(initial, ask, talk, facts)
        case "SCRAM-SHA-256":
            return await _scram(initial if initial is not None else await talk(b""), ask, talk, facts)
    raise ValueError(mechanism)


async def check_password(login: str, password: str, *, ask: Ask, facts: Facts, authzid: str = "") -> Authenticated:
    """A login and a password in clear: PLAIN, and IMAP's LOGIN command."""
    return _proven(
        await ask(
            "plain",
            {
                "login": login,
                "password": password,
                "authzid": authzid,
                "service": facts.service,
                "ip": facts.ip,
                "tls": facts.tls,
            },
        )
    )


async def _plain(message: bytes, ask: Ask, facts: Facts) -> Authenticated:
    # message = [authzid] UTF8NUL authcid UTF8NUL passwd
    parts = _text(message).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise BadCredentials("PLAIN message is not of its form")
    authzid, login, password = parts
    return await check_password(login, password, ask=ask, facts=facts, authzid=authzid)


async def _login(initial: bytes | None, ask: Ask, talk: Talk, facts: Facts) -> Authenticated:
    # No RFC; the prompts are those every client expects.
    login = _text(initial if initial is not None else await talk(b"Username:"))
    password = _text(await talk(b"Password:"))
    if not login or not password or "\0" in login + password:
        raise BadCredentials("LOGIN without a name or a password")
    return await check_password(login, password, ask=ask, facts=facts)


async def _scram(first: bytes, ask: Ask, talk: Talk, facts: Facts) -> Authenticated:
    common = {"service": facts.service, "ip": facts.ip}
    begun = await ask("scram_first", {"message": _text(first), **common})
    final = await talk(str(begun["challenge"]).encode())
    ended = await ask("scram_final", {"state": begun["state"], "message": _text(final), **common})
    # The server's proof goes as a challenge; the client answers with nothing (RFC 4954 §4, RFC 9051 §6.2.2).
    if await talk(str(ended["message"]).encode()):
        raise BadCredentials("SCRAM: the client answered the server's proof")
    return _proven(ended)


def _proven(answer: dict[str, Any]) -> Authenticated:
    return Authenticated(int(answer["account_id"]), str(answer["account"]), str(answer["login"]), str(answer["ticket"]))


def _text(octets: bytes) -> str:
    if len(octets) > RESPONSE_MAX:
        raise BadCredentials("response too long")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCredentials("response is not UTF-8") from None


def decode_base64(line: bytes) -> bytes | None:
    """A client's response line; None when it is not base64 (the wire's syntax error). RFC 4648 §4, strict."""
    try:
        return base64.b64decode(line, validate=True)
    except ValueError:
        return None
