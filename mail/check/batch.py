"""Checks by the line: a request in, an answer out, in order, whatever a request holds.

    {"check": "spf", "zone": {}, "ip": "", "helo": "", "mail_from": ""}     -> {"result", "explanation"}
    {"check": "dkim", "zone": {}, "message": BASE64, "now": EPOCH}          -> {"signatures": [...]}
    {"check": "arc", "zone": {}, "message": BASE64, "now": EPOCH}           -> {"cv", "reason"}
    {"check": "dmarc", "zone": {}, "from_domain": "", "spf": {"result", "domain"}, "dkim": [{"result", "domain"}]}
                                                            -> {"result", "policy", "disposition", "domain"}
    {"check": "structure", "message": BASE64}                               -> what mail.check.structure gives
    anything else                                                           -> {"error"}

1. The zone replaces the DNS (mail.dns.zone); without one the resolver that was given is asked.
2. An empty text is a value like any other: `mail_from` and `helo` are empty when they are left out, and so are the
   results of a dmarc request. What a check cannot do without has to be there.
3. `explanation` is what the domain itself says about a fail, and empty where it says nothing.
4. `policy` and `disposition` are none, quarantine or reject: "none" also where there is no policy. `domain` is where
   the policy was found, and empty where there is none.

docs/DIAGNOSE.md is for those who send the lines.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable
from typing import IO, Any

import orjson

from mail.check import authentication
from mail.check.structure import structure
from mail.dns.resolver import Resolver
from mail.dns.zone import ZoneResolver
from mail.errors import Invalid, MailError
from mail.now import Clock

Request = dict[str, Any]

# A message of 200 MiB in base64, and the rest.
LINE_MAX = 280 << 20
NOW_MAX = 10**12
_BASE64_SPACE = b" \t\r\n"


class Batch:
    """`resolver`: asked where a request brings no zone; None: then that is an error."""

    def __init__(self, resolver: Resolver | None, clock: Clock, hostname: str) -> None:
        self._resolver = resolver
        self._clock = clock
        self._hostname = hostname
        self._checks: dict[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "spf": self._spf,
            "dkim": self._dkim,
            "arc": self._arc,
            "dmarc": self._dmarc,
            "structure": self._structure,
        }

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Never raises: what cannot be answered says why in `error`."""
        try:
            request = _request(line)
            check = request.get("check")
            if not isinstance(check, str) or check not in self._checks:
                raise Invalid(public=f"check is one of {', '.join(self._checks)}")
            return await self._checks[check](request)
        except MailError as error:
            return {"error": error.public}
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _asked(self, request: Request) -> Resolver:
        if request.get("zone") is not None:
            return ZoneResolver(request["zone"])
        if self._resolver is None:
            raise Invalid(public="zone is missing, and there is no DNS here to ask")
        return self._resolver

    def _now(self, request: Request) -> int:
        now = request.get("now")
        if now is None:
            return self._clock.wall_ms() // 1000
        if isinstance(now, bool) or not isinstance(now, int | float) or not 0 <= now <= NOW_MAX:
            raise Invalid(public="now should be a number of seconds since 1970")
        return int(now)

    async def _spf(self, request: Request) -> dict[str, Any]:
        ip, helo, mail_from = _needed(request, "ip"), _text(request, "helo"), _text(request, "mail_from")
        asked = self._asked(request)
        try:
            found = await authentication.spf(asked, ip=ip, helo=helo, mail_from=mail_from, receiver=self._hostname)
        except ValueError as error:
            raise Invalid(public=f"ip: {error}") from error
        return _only(found, "result", "explanation")

    async def _dkim(self, request: Request) -> dict[str, Any]:
        found = await authentication.dkim(self._asked(request), message_of(request), now=self._now(request))
        return {"signatures": [_only(one, "domain", "selector", "result", "reason") for one in found]}

    async def _arc(self, request: Request) -> dict[str, Any]:
        found = await authentication.arc(self._asked(request), message_of(request), now=self._now(request))
        return _only(found, "cv", "reason")

    async def _dmarc(self, request: Request) -> dict[str, Any]:
        found = await authentication.dmarc(
            self._asked(request),
            from_domain=_needed(request, "from_domain"),
            spf=_checked("spf", {} if request.get("spf") is None else request["spf"]),
            dkim=[_checked("dkim", one) for one in _listed(request, "dkim")],
        )
        return _only(found, "result", "policy", "disposition", "domain")

    async def _structure(self, request: Request) -> dict[str, Any]:
        return structure(message_of(request))


def message_of(request: Request) -> bytes:
    """The octets of a request's message. Invalid when they are not base64, in which white space may stand."""
    text = _needed(request, "message").encode()
    try:
        return base64.b64decode(text.translate(None, _BASE64_SPACE), validate=True)
    except binascii.Error as error:
        raise Invalid(public=f"message is not base64: {error}") from error


def lines_of(stream: IO[bytes], longest: int = LINE_MAX) -> Iterable[bytes]:
    """The lines that are not empty, as they come; of one that is too long the beginning, which is no JSON."""
    while line := stream.readline(longest):
        rest = line
        while len(rest) == longest and not rest.endswith(b"\n"):
            rest = stream.readline(longest)
        if line.strip():
            yield line


def _request(line: bytes) -> Request:
    try:
        request = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Invalid(public=f"not JSON: {error}") from error
    if not isinstance(request, dict):
        raise Invalid(public="a request is a JSON object")
    return request


def _needed(values: Request, name: str) -> str:
    if values.get(name) is None:
        raise Invalid(public=f"{name} is missing")
    return _text(values, name)


def _text(values: Request, name: str) -> str:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(public=f"{name} should be a text")
    return value or ""


def _listed(values: Request, name: str) -> list[Any]:
    value = values.get(name)
    if value is not None and not isinstance(value, list):
        raise Invalid(public=f"{name} should be a list")
    return value or []


def _checked(name: str, values: Any) -> tuple[str, str]:
    """The result of a check, and the domain it is about."""
    if not isinstance(values, dict):
        raise Invalid(public=f"{name}: a result is an object with result and domain")
    return _text(values, "result") or "none", _text(values, "domain")


def _only(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
