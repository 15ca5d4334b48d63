"""Checks by the line: a request in, an answer out, in order, whatever a request holds.

    {"check": "spf", "zone": {}, "ip": "", "helo": "", "mail_from": ""}     -> {"result", "explanation"}
    {"check": "dkim", "zone": {}, "message": BASE64, "now": EPOCH}          -> {"signatures": [...]}
    {"check": "arc", "zone": {}, "message": BASE64, "now": EPOCH}           -> {"cv", "reason"}
    {"check": "dmarc", "zone": {}, "from_domain": "", "spf": {"result", "domain"}, "dkim": [{"result", "domain"}]}
                                                            -> {"result", "policy", "disposition", "domain"}
    {"check": "structure", "message": BASE64}                               -> what mail.check.structure gives

The zone replaces the DNS (mail.dns.zone); without one the resolver that was given is asked.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from mail.check import authentication
from mail.check.structure import structure
from mail.dns.resolver import Resolver
from mail.dns.zone import ZoneResolver
from mail.errors import Invalid, MailError
from mail.now import Clock

Request = dict[str, Any]


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

    async def answer(self, line: str | bytes) -> dict[str, Any]:
        """Never raises: what cannot be answered says why in `error`."""
        try:
            request = orjson.loads(line)
            if not isinstance(request, dict):
                raise Invalid(public="a request is a JSON object")
            check = self._checks.get(request.get("check", ""))
            if check is None:
                raise Invalid(public=f"check is one of {', '.join(self._checks)}")
            return await check(request)
        except MailError as error:
            return {"error": error.public}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _asked(self, request: Request) -> Resolver:
        if request.get("zone") is not None:
            return ZoneResolver(request["zone"])
        if self._resolver is None:
            raise Invalid(public="a request without a zone needs a resolver")
        return self._resolver

    def _now(self, request: Request) -> int:
        return int(request["now"]) if request.get("now") is not None else self._clock.wall_ms() // 1000

    async def _spf(self, request: Request) -> dict[str, Any]:
        ip, helo, mail_from = (_text(request, name) for name in ("ip", "helo", "mail_from"))
        found = await authentication.spf(
            self._asked(request), ip=ip, helo=helo, mail_from=mail_from, receiver=self._hostname
        )
        return _only(found, "result", "explanation")

    async def _dkim(self, request: Request) -> dict[str, Any]:
        found = await authentication.dkim(self._asked(request), message_of(request), now=self._now(request))
        return {"signatures": [_only(one, "domain", "selector", "result", "reason") for one in found]}

    async def _arc(self, request: Request) -> dict[str, Any]:
        found = await authentication.arc(self._asked(request), message_of(request), now=self._now(request))
        return _only(found, "cv", "reason")

    async def _dmarc(self, request: Request) -> dict[str, Any]:
        spf = request.get("spf") or {}
        found = await authentication.dmarc(
            self._asked(request),
            from_domain=_text(request, "from_domain"),
            spf=(_text(spf, "result") or "none", _text(spf, "domain")),
            dkim=[(_text(one, "result") or "none", _text(one, "domain")) for one in request.get("dkim") or ()],
        )
        return _only(found, "result", "policy", "disposition", "domain")

    async def _structure(self, request: Request) -> dict[str, Any]:
        return structure(message_of(request))


def message_of(request: Request) -> bytes:
    """The octets of a request's message. Invalid when they are not base64."""
    try:
        return base64.b64decode(_text(request, "message"), validate=False)
    except binascii.Error as error:
        raise Invalid(public=f"message is not base64: {error}") from error


def _text(values: Request, name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise Invalid(public=f"{name} should be a text")
    return value


def _only(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


async def answers(batch: Batch, lines: Iterable[str]) -> "Any":
    """Each line's answer in order; empty lines are passed over."""
    for line in lines:
        if line.strip():
            yield await batch.answer(line)
