"""Checking who somebody is: passwords and SCRAM, with the same work and the same words for everyone who is not.

An unknown user, a wrong password and an account without one all cost one hash and answer BadCredentials; only whoever
knows the password learns that a login is disabled (security CR-2).
"""

import asyncio
import hashlib
import secrets
import unicodedata
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mail.accounts import passwords
from mail.accounts.failures import Failures
from mail.accounts.passwords import Verifiers
from mail.accounts.snapshot import Routing
from mail.errors import BadCredentials, BadPassword, LoginDisabled, TooManyFailures
from mail.metrics import Metrics
from mail.now import Clock
from mail.sasl import scram, tickets
from mail.store.secrets import Secrets

# At once: a guesser must not have all cores, a login must not wait long (42 ms each).
HASHES_AT_ONCE = 2
HASHES_WAITING_MAX = 200

REMEMBER_SECONDS = 300.0
REMEMBERED_MAX = 10_000

SCRAM_SECONDS = 60.0
SCRAM_MAX = 2_000

NOBODY = -1


@dataclass(slots=True)
class _Dialog:
    """A SCRAM exchange between its two messages."""

    first: scram.First
    challenge: str
    kept: Verifiers
    login: str
    account: tuple[int, str] | None
    until: float


class Logins:
    def __init__(
        self, kept: Secrets, routing: Routing, failures: Failures, *, ticket_key: bytes, clock: Clock, metrics: Metrics
    ) -> None:
        self._secrets = kept
        self._routing = routing
        self.failures = failures
        self._ticket_key = ticket_key
        self._clock = clock
        self._pool = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="hash")
        self._waiting = 0
        self._cache_key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._generations: dict[int, int] = {}
        self._dialogs: OrderedDict[str, _Dialog] = OrderedDict()
        self._no_ones_hash = passwords.no_ones_hash()
        self._salt_secret = kept.kept("scram-salt", secrets.token_bytes(32))
        self._counter = metrics.counter(
            "mailstead_auth_total",
            "Login attempts by service, mechanism and result.",
            ("service", "mechanism", "result"),
        )

    def stop(self) -> None:
        self._pool.shutdown()

    async def plain(self, args: dict[str, Any]) -> dict[str, Any]:
        """A login and a password in clear."""
        login = unicodedata.normalize("NFC", str(args["login"]))
        password, ip, service = str(args["password"]), str(args["ip"]), str(args["service"])
        authzid = unicodedata.normalize("NFC", str(args.get("authzid") or ""))
        self._check_allowed(ip, service, "plain")
        account = self._routing.account_for_login(login)
        if account is not None and authzid in ("", login):
            remembered = self._cache_name(account[0], login, password)
            if self._is_remembered(remembered, account[0]):
                return self._logged_in(account, login, ip, service, "plain", known=True)
        await self._wait(ip, account)
        right = await self._check_password(account, password)
        if not right or account is None or authzid not in ("", login):
            self._failed(ip, account, service, "plain")
            raise BadCredentials(f"from {ip}")
        self._remember(self._cache_name(account[0], login, password), account[0])
        return self._logged_in(account, login, ip, service, "plain")

    def _check_allowed(self, ip: str, service: str, mechanism: str) -> None:
        if not self.failures.allowed(ip):
            self._counter.labels(service, mechanism, "limited").inc()
            raise TooManyFailures(f"from {ip}")

    async def _wait(self, ip: str, account: tuple[int, str] | None) -> None:
        seconds = self.failures.wait(ip, account[0] if account else None)
        if seconds:
            await asyncio.sleep(seconds)

    async def _check_password(self, account: tuple[int, str] | None, password: str) -> bool:
        """One hash, whoever asks."""
        return await self._in_pool(self._compare, account[0] if account else None, password)

    def _compare(self, account_id: int | None, password: str) -> bool:
        try:
            given = passwords.transformed(password)
        except BadPassword:
            given = "\0"
        kept = self._secrets.verifiers(account_id) if account_id is not None else None
        right = passwords.matches(kept.argon2 if kept else self._no_ones_hash, given)
        if kept is None or account_id is None:
            return False
        if right and passwords.outdated(kept.argon2):
            self._secrets.rehash(account_id, passwords.HASHER.hash(given))
        return right

    async def _in_pool(self, work: Any, *args: Any) -> Any:
        if self._waiting >= HASHES_WAITING_MAX:
            raise TooManyFailures("too many hashes wait", public="too many logins at once, try again later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        finally:
            self._waiting -= 1

    def _failed(self, ip: str, account: tuple[int, str] | None, service: str, mechanism: str) -> None:
        self.failures.failed(ip, account[0] if account else None)
        self._counter.labels(service, mechanism, "failed").inc()

    def _logged_in(
        self, account: tuple[int, str], login: str, ip: str, service: str, mechanism: str, *, known: bool = False
    ) -> dict[str, Any]:
        disabled = self._routing.login_disabled(account[0])
        if disabled:
            self._counter.labels(service, mechanism, "disabled").inc()
            raise LoginDisabled(public=disabled)
        self.failures.succeeded(ip, account[0])
        self._counter.labels(service, mechanism, "cached" if known else "ok").inc()
        ticket = tickets.make(self._ticket_key, account[0], service, self._clock.wall_ms())
        return {"account_id": account[0], "account": account[1], "login": login, "ticket": ticket}

    def _cache_name(self, account_id: int, login: str, password: str) -> bytes:
        # Without the address: who gives the right password is no guesser, wherever he comes from.
        text = f"{account_id}\0{login}\0{password}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._cache_key).digest()

    def _remember(self, name: bytes, account_id: int) -> None:
        self._remembered[name] = (self._generations.get(account_id, 0), self._clock.monotonic() + REMEMBER_SECONDS)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _is_remembered(self, name: bytes, account_id: int) -> bool:
        generation, until = self._remembered.get(name, (-1, 0.0))
        return generation == self._generations.get(account_id, 0) and self._clock.monotonic() < until

    def forget(self, account_id: int) -> None:
        """The password changed: what was remembered of it is worth nothing."""
        self._generations[account_id] = self._generations.get(account_id, 0) + 1

    async def scram_first(self, args: dict[str, Any]) -> dict[str, Any]:
        """The client's first SCRAM message; the answer is the challenge and the name of the exchange."""
        ip, service = str(args["ip"]), str(args["service"])
        self._check_allowed(ip, service, "scram-sha-256")
        try:
            first = scram.read_first(str(args["message"]))
        except BadCredentials:
            self._failed(ip, None, service, "scram-sha-256")
            raise
        login = unicodedata.normalize("NFC", first.name)
        account = self._routing.account_for_login(login)
        # The same look-up for everyone, whether there is such an account or not.
        kept = await self._in_pool(self._secrets.verifiers, account[0] if account else NOBODY)
        kept = kept or self._no_ones_verifiers(login)
        challenge = scram.answer_first(first, kept.scram_salt, kept.scram_iterations)
        state = secrets.token_hex(16)
        self._dialogs[state] = _Dialog(first, challenge, kept, login, account, self._clock.monotonic() + SCRAM_SECONDS)
        while len(self._dialogs) > SCRAM_MAX:
            self._dialogs.popitem(last=False)
        return {"challenge": challenge, "state": state}

    def _no_ones_verifiers(self, login: str) -> Verifiers:
        salt = passwords.no_ones_salt(self._salt_secret, login)
        return Verifiers("", salt, passwords.SCRAM_ITERATIONS, secrets.token_bytes(32), secrets.token_bytes(32))

    async def scram_final(self, args: dict[str, Any]) -> dict[str, Any]:
        """The client's proof; the answer carries the server's."""
        ip, service = str(args["ip"]), str(args["service"])
        self._check_allowed(ip, service, "scram-sha-256")
        dialog = self._dialogs.pop(str(args["state"]), None)
        if dialog is None or dialog.until < self._clock.monotonic():
            raise BadCredentials("SCRAM: no such exchange, or too late")
        await self._wait(ip, dialog.account)
        try:
            proof = scram.check_final(
                dialog.first,
                dialog.challenge,
                str(args["message"]),
                dialog.kept.scram_stored_key,
                dialog.kept.scram_server_key,
            )
        except BadCredentials:
            self._failed(ip, dialog.account, service, "scram-sha-256")
            raise
        authzid = unicodedata.normalize("NFC", dialog.first.authzid)
        if dialog.account is None or authzid not in ("", dialog.login):
            self._failed(ip, dialog.account, service, "scram-sha-256")
            raise BadCredentials("SCRAM: no such user, or another one's name")
        answer = self._logged_in(dialog.account, dialog.login, ip, service, "scram-sha-256")
        return {**answer, "message": proof}
