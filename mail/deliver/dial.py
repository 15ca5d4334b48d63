"""Getting to a host: connect, greet, TLS and login as the plan wants it.

1. Opportunistic TLS (RFC 7435): where STARTTLS is offered it is used without verifying; when the handshake fails, one
   more connection goes in clear, unless the demand on the host forbids it (features B09, security TL-3).
2. Hosts are tried in order; one that says never (5xx) speaks for its domain, and the next is not asked.
3. A host that does not prove what policy demands of it is left, and the next is tried; when none does, the mail waits.
   Only REQUIRETLS that no host can serve is a failure for good (RFC 8689 §4.2.1).
4. A login that is refused is our own mistake and never the sender's: temporary, whatever the code.
"""

import ssl
from dataclasses import dataclass, field

from mail.dane import verify
from mail.deliver.demand import Check, Demand, fixed_demand
from mail.deliver.hosts import Host
from mail.deliver.plan import Plan
from mail.deliver.policies import TLSA_UNKNOWN, DomainPolicies
from mail.deliver.tls_session import (
    DANE_MISMATCH,
    MX_MISMATCH,
    NO_STARTTLS,
    TLSA_NOT_KNOWN,
    TlsSession,
    sts_results,
    told_of,
)
from mail.now import Clock, SystemClock
from mail.queue.tls_result import TlsResult, day_of
from mail.smtp.client import SmtpClient, Timers
from mail.smtp.reply_reader import Reply, local_reply
from mail.smtp.wire import ConversationFailed, Refused

SUBMISSIONS_PORT = 465
TRIED_SHOWN = 4
SYSTEM_CLOCK = SystemClock()


@dataclass(slots=True)
class Dialed:
    """A conversation that has begun. `dual_stack`: the host has addresses of the other family too. `proof`: by what its
    name is proven. `results`: what TLS came to until here.
    """

    client: SmtpClient
    host: str
    ip: str
    dual_stack: bool = False
    proof: str = ""
    results: list[TlsResult] = field(default_factory=list)

    @property
    def tls(self) -> str:
        """Version, cipher and proof, or empty."""
        return f"{self.client.tls}, {self.proof}" if self.client.tls and self.proof else self.client.tls


class NoHostAnswered(Exception):
    """No host would talk to us, or none may be talked to; `reply` says it in SMTP's words, the last host's own if it
    had any.
    """

    def __init__(self, reply: Reply, host: str, ip: str, results: list[TlsResult] | None = None) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.host = host
        self.ip = ip
        self.results = results or []


class PolicyFailed(ConversationFailed):
    """The host does not prove what is demanded of it. `unmet`: REQUIRETLS is not to be had there."""

    def __init__(self, why: str, *, unmet: bool = False) -> None:
        super().__init__(why)
        self.unmet = unmet


class LoginRefused(ConversationFailed):
    """The smarthost does not take our credentials."""


def opportunistic_context() -> ssl.SSLContext:
    """TLS without a verified name: better than none, and all that can be had without MTA-STS or DANE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def verifying_context(ca_file: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Trying:
    """The hosts of one dialing, and what came of each."""

    def __init__(self) -> None:
        self.host = self.ip = ""
        self.results: list[TlsResult] = []
        self._tried: list[str] = []
        self._last: Refused | None = None
        self._unproven = self._unmet = 0

    def failed(self, error: Exception) -> None:
        where = f"{self.host} [{self.ip}]" if self.ip else self.host
        self._tried.append(f"{where}: {str(error) or 'no answer'}")
        if isinstance(error, Refused):
            self._last = error
        elif isinstance(error, PolicyFailed):
            self._unproven += 1
            self._unmet += error.unmet

    def none(self) -> NoHostAnswered:
        words = "; ".join(self._tried[:TRIED_SHOWN]) or "it has no address"
        if self._unmet and self._unmet == len(self._tried):
            reply = local_reply(554, "5.7.30", f"REQUIRETLS cannot be had: {words}")
        elif self._unproven:
            reply = local_reply(451, "4.7.5", f"policy forbids to send there now: {words}")
        elif self._last is not None:
            reply = self._last.reply
        else:
            reply = local_reply(451, "4.4.1", f"no server could be reached: {words}")
        return NoHostAnswered(reply, self.host, self.ip, self.results)


class Dialer:
    """`verifying` proves names: to those a policy binds, and to those who get a password."""

    def __init__(
        self,
        ehlo_name: str,
        *,
        timers: Timers | None = None,
        verifying: ssl.SSLContext | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._ehlo_name = ehlo_name
        self._timers = timers or Timers()
        self._opportunistic = opportunistic_context()
        self._verifying = verifying or verifying_context()
        self._clock = clock

    async def dial(self, plan: Plan, hosts: list[Host], port: int, policies: DomainPolicies | None = None) -> Dialed:
        """The first host that talks to us and proves what is demanded of it. NoHostAnswered."""
        trying = _Trying()
        if policies is not None and policies.reported:
            trying.results += sts_results(policies.domain, policies.sts, self._day())
        for host in hosts:
            demand = await policies.demand(host) if policies is not None else fixed_demand(plan, host)
            trying.host, trying.ip = host.name, ""
            if demand.refusal:
                self._refuse(trying, policies, demand)
                continue
            for ip in host.ips:
                trying.ip = ip
                dialed = await self._try(plan, host, ip, port, policies, demand, trying)
                if dialed is not None:
                    return dialed
        raise trying.none()

    def _refuse(self, trying: _Trying, policies: DomainPolicies | None, demand: Demand) -> None:
        """Not even a connection."""
        trying.failed(PolicyFailed(demand.refusal, unmet=demand.unmet))
        if policies is not None and policies.reported:
            session = TlsSession(policies.domain, demand, trying.host)
            if demand.mismatch:
                session.sts_failed(MX_MISMATCH)
            if demand.refusal == TLSA_UNKNOWN:
                session.host_failed(TLSA_NOT_KNOWN)
            trying.results += session.refused(self._day())

    async def _try(
        self,
        plan: Plan,
        host: Host,
        ip: str,
        port: int,
        policies: DomainPolicies | None,
        demand: Demand,
        trying: _Trying,
    ) -> Dialed | None:
        session = TlsSession(policies.domain if policies is not None else "", demand, host.name, ip)
        try:
            client = await self._open(plan, demand, session, port)
            dual_stack = len({":" in other for other in host.ips}) == 2
            proof = demand.policies if client.tls else ""
            return Dialed(client, host.name, ip, dual_stack, proof, trying.results)
        except (ConversationFailed, OSError, TimeoutError) as error:
            trying.failed(error)
            if isinstance(error, Refused) and error.reply.permanent:
                raise NoHostAnswered(error.reply, host.name, ip, trying.results) from error
            return None
        finally:
            if policies is not None and policies.reported:
                # The list that went out with what was made or raised.
                trying.results += session.results(self._day())

    async def _open(self, plan: Plan, demand: Demand, session: TlsSession, port: int) -> SmtpClient:
        if plan.fixed is not None and port == SUBMISSIONS_PORT:  # RFC 8314 §3.3
            context = self._verifying if demand.pkix is Check.MUST else self._opportunistic
            client = await self._connect(session.ip, port, context, demand.server_name)
        else:
            client = await self._secured(demand, session, port)
        try:
            if demand.require_tls and "REQUIRETLS" not in client.extensions:
                raise PolicyFailed("it does not offer REQUIRETLS", unmet=True)
            if plan.login is not None:
                await self._log_in(client, plan.login.username, plan.login.password)
        except ConversationFailed:
            client.close()
            raise
        return client

    async def _secured(self, demand: Demand, session: TlsSession, port: int) -> SmtpClient:
        """Connected, under TLS as far as that goes: what is only watched costs another connection when it fails."""
        pkix = demand.pkix
        while True:
            client = await self._connect(session.ip, port, None, demand.server_name)
            session.sending_ip = client.local_ip
            try:
                await self._start_tls(client, demand, session, pkix)
                return client
            except ConversationFailed as error:
                client.close()
                if not error.tls:
                    raise
                untrusted = isinstance(error.__cause__, ssl.SSLCertVerificationError)
                if untrusted:
                    session.sts_failed(told_of(error))
                else:
                    session.failed(told_of(error))
                if untrusted and pkix is Check.WATCH:
                    pkix = Check.OFF
                    continue
                if untrusted or demand.tls:
                    raise _forbidden(demand, error) from error
                return await self._connect(session.ip, port, None, demand.server_name)

    async def _start_tls(self, client: SmtpClient, demand: Demand, session: TlsSession, pkix: Check) -> None:
        """ConversationFailed; with `tls` set when the handshake failed."""
        if "STARTTLS" not in client.extensions:
            session.failed(NO_STARTTLS)
            if demand.tls:
                raise PolicyFailed(f"{demand.policies or 'the login'} requires TLS, and it is not offered")
            return
        if demand.mismatch:
            session.sts_failed(MX_MISMATCH)

        def check(chain: list[bytes]) -> None:
            session.begun = True
            if demand.dane is Check.OFF:
                return
            if verify(demand.records, chain, demand.names, self._clock.wall_ms() // 1000) is None:
                session.host_failed(DANE_MISMATCH)
                if demand.dane is Check.MUST:
                    raise PolicyFailed("DANE: no TLSA record matches its certificate")

        context = self._opportunistic if pkix is Check.OFF else self._verifying
        await client.start_tls(context, demand.server_name, check)

    def _day(self) -> int:
        return day_of(self._clock.wall_ms())

    async def _log_in(self, client: SmtpClient, username: str, password: str) -> None:
        try:
            await client.log_in(username, password)
        except ConversationFailed as error:
            raise LoginRefused(f"the smarthost refuses our login: {error}") from error

    async def _connect(self, ip: str, port: int, tls: ssl.SSLContext | None, name: str) -> SmtpClient:
        return await SmtpClient.connect(
            ip, port, ehlo_name=self._ehlo_name, timers=self._timers, tls=tls, server_name=name
        )


def _forbidden(demand: Demand, error: ConversationFailed) -> ConversationFailed:
    """A failed handshake as the failure of those who demand it."""
    return PolicyFailed(f"{demand.policies}: {error}") if demand.policies else error
