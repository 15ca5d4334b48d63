"""Which MTA-STS policy holds for a domain now: look, fetch, remember (RFC 8461 §3.3, §5; features B10).

    TXT id -> the cached policy has that id: it holds        (no fetch)
           -> another id, or nothing cached: fetch; kept     (or, failing that, what is cached still holds)
           -> no record, or the DNS does not say: what is cached holds until its max_age ends

1. A policy that was had once outlives its record and its server: whoever takes those away from us takes nothing.
2. A fetch that failed is not repeated for five minutes.
3. Without anything cached a DNS that does not answer is `LookupFailed`: the attempt waits. A policy that cannot be
   fetched is none (RFC 8461 §5.1), and is told of in TLS reports.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mail.dns.resolver import LookupFailed, Resolver
from mail.fetch import Bounds, Fetcher, FetchFailed
from mail.mtasts.policy import NONE, BadPolicy, Policy, parse_policy, policy_url
from mail.mtasts.record import NoPolicy, Record, lookup_record
from mail.now import Clock
from mail.store.sts_policies import CachedPolicy

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BACK_OFF_MS = 300_000
# Fetched anew every day, not all at one time.
REFRESH_MS = 24 * HOUR_MS
REFRESH_SPREAD_MS = 3 * HOUR_MS
# security MA-4
BOUNDS = Bounds(total_seconds=60.0, octets=64 << 10, media_type="text/plain")

# RFC 8460 §4.3.2
FETCH_ERROR, INVALID, WEBPKI_INVALID = "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"


class Cache(Protocol):
    """Where policies are kept (mail.store.sts_policies)."""

    async def find(self, domain: str) -> CachedPolicy | None: ...

    async def keep(
        self, domain: str, record_id: str, policy: str, *, now: int, expires_at: int, refresh_at: int
    ) -> None: ...

    async def note_failure(self, domain: str, failure: str, now: int, *, refresh_at: int) -> None: ...

    async def note_use(self, domain: str, now: int) -> None: ...

    async def remove(self, domain: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """For TLS reports: a result type of RFC 8460 §4.3.2 and a reason."""

    result_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class StsAnswer:
    """`policy`: the one that holds, if any. `why` tells how it was come by; `failure` what went wrong on the way."""

    policy: Policy | None
    why: str
    failure: Failure | None = None


class _NotFetched(Exception):
    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class StsPolicies:
    resolver: Resolver
    fetcher: Fetcher
    cache: Cache
    clock: Clock
    port: int = 443
    spread: Callable[[], float] = random.random

    async def policy_of(self, domain: str) -> StsAnswer:
        """LookupFailed when nobody can say and nothing is cached."""
        if domain.startswith("["):
            return StsAnswer(None, "an address has no MTA-STS policy")
        now = self.clock.wall_ms()
        cached = await self.cache.find(domain)
        known = cached if cached is not None and cached.holds(now) else None
        try:
            record = await lookup_record(self.resolver, domain)
        except NoPolicy as error:
            return await self._without_record(domain, known, error.reason, now)
        except LookupFailed:
            if known is None:
                raise
            return await self._from_cache(known, Failure(FETCH_ERROR, "dns"), now)
        if known is not None and known.record_id == record.id:
            return await self._from_cache(known, None, now)
        return await self._fresh(domain, record, cached, known, now)

    async def refresh(self, known: CachedPolicy) -> bool:
        """Fetch a cached policy anew, whatever its id; False when that failed or the policy is gone."""
        now = self.clock.wall_ms()
        try:
            record = await lookup_record(self.resolver, known.domain)
            await self._fetch(known.domain, record, now)
        except NoPolicy as error:
            if parse_policy(known.policy.encode()).mode == NONE:
                await self.cache.remove(known.domain)
            else:
                await self._note_failure(known.domain, Failure(FETCH_ERROR, error.reason), now)
            return False
        except LookupFailed:
            await self._note_failure(known.domain, Failure(FETCH_ERROR, "dns"), now)
            return False
        except _NotFetched:
            return False
        return True

    async def _without_record(self, domain: str, known: CachedPolicy | None, reason: str, now: int) -> StsAnswer:
        failure = Failure(FETCH_ERROR, reason)
        if known is None:
            # That there is no record is no failure: most domains have none.
            return StsAnswer(None, f"no MTA-STS policy: {reason}", None if reason == "no-record" else failure)
        if parse_policy(known.policy.encode()).mode == NONE:
            await self.cache.remove(domain)
            return StsAnswer(None, "the MTA-STS policy was withdrawn")
        return await self._from_cache(known, failure, now)

    async def _from_cache(self, known: CachedPolicy, failure: Failure | None, now: int) -> StsAnswer:
        policy = parse_policy(known.policy.encode())
        if known.used_at < now - DAY_MS:
            await self.cache.note_use(known.domain, now)
        why = f"MTA-STS policy {known.record_id}, mode {policy.mode}, cached"
        if failure is None:
            return StsAnswer(policy, why)
        told = Failure(failure.result_type, f"{failure.reason}+fallback-to-cached-policy")
        return StsAnswer(policy, f"{why}; a new one could not be had: {failure.reason}", told)

    async def _fresh(
        self, domain: str, record: Record, cached: CachedPolicy | None, known: CachedPolicy | None, now: int
    ) -> StsAnswer:
        if cached is not None and cached.failed_at > now - BACK_OFF_MS:
            result_type, _, reason = cached.failure.partition(" ")
            failure = Failure(result_type or FETCH_ERROR, f"{reason}-back-off")
            why = f"the MTA-STS policy could not be fetched a moment ago ({reason})"
        else:
            try:
                policy = await self._fetch(domain, record, now)
                return StsAnswer(policy, f"MTA-STS policy {record.id}, mode {policy.mode}, fetched")
            except _NotFetched as error:
                failure, why = error.failure, f"the MTA-STS policy could not be fetched: {error}"
        if known is None:
            return StsAnswer(None, why, failure)
        return await self._from_cache(known, failure, now)

    async def _fetch(self, domain: str, record: Record, now: int) -> Policy:
        try:
            policy = await self._fetched(domain)
        except _NotFetched as error:
            await self._note_failure(domain, error.failure, now)
            raise
        refresh_at = now + REFRESH_MS - int(self.spread() * REFRESH_SPREAD_MS)
        expires_at = now + policy.max_age * 1000
        await self.cache.keep(domain, record.id, policy.text(), now=now, expires_at=expires_at, refresh_at=refresh_at)
        return policy

    async def _fetched(self, domain: str) -> Policy:
        try:
            response = await self.fetcher.get(policy_url(domain, self.port), BOUNDS)
        except FetchFailed as error:
            kind = WEBPKI_INVALID if error.kind == "tls" else FETCH_ERROR
            raise _NotFetched(Failure(kind, f"fetch-{error.kind}"), str(error)) from error
        if response.status != 200:
            failure = Failure(FETCH_ERROR, f"fetch-status-{response.status}")
            raise _NotFetched(failure, f"the server answers with status {response.status}")
        try:
            return parse_policy(response.body)
        except BadPolicy as error:
            raise _NotFetched(Failure(INVALID, "syntax"), f"no policy: {error}") from error

    async def _note_failure(self, domain: str, failure: Failure, now: int) -> None:
        refresh_at = now + HOUR_MS
        await self.cache.note_failure(domain, f"{failure.result_type} {failure.reason}", now, refresh_at=refresh_at)
