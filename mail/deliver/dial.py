"""Getting to a host: connect, greet, and TLS as the plan wants it.

Opportunistic TLS: where STARTTLS is offered it is used without verifying; when the handshake fails, one more connection
goes in clear, unless TLS is required (features B09).
"""

import ssl
from dataclasses import dataclass

from mail.deliver.hosts import Host
from mail.deliver.plan import Plan
from mail.smtp.client import Refused, SmtpClient, Timers
from mail.smtp.wire import ConversationFailed


@dataclass(slots=True)
class Dialed:
    client: SmtpClient
    host: str
    ip: str


class NoHostAnswered(Exception):
    """Every host and address was tried; `tried` has what each said, `refused` the last reply in SMTP's words if any."""

    def __init__(self, tried: list[str], last: Refused | None, host: str = "", ip: str = "") -> None:
        super().__init__("; ".join(tried))
        self.tried = tried
        self.refused = last
        self.host = host
        self.ip = ip


def opportunistic_context() -> ssl.SSLContext:
    """TLS without a verified name: better than none, and all that can be had without MTA-STS or DANE (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Dialer:
    def __init__(self, ehlo_name: str, *, timers: Timers | None = None, connect_seconds: float = 30.0) -> None:
        self._ehlo_name = ehlo_name
        self._timers = timers or Timers()
        self._connect_seconds = connect_seconds
        self._opportunistic = opportunistic_context()
        self._verifying = ssl.create_default_context()
        self._verifying.minimum_version = ssl.TLSVersion.TLSv1_2

    async def dial(self, plan: Plan, hosts: list[Host], port: int) -> Dialed:
        """The first host that talks to us. NoHostAnswered."""
        tried: list[str] = []
        last: Refused | None = None
        host = ip = ""
        for one in hosts:
            for ip in one.ips:
                host = one.name
                try:
                    return Dialed(await self._open(plan, one.name, ip, port), one.name, ip)
                except Refused as error:
                    tried.append(f"{one.name} [{ip}]: {error}")
                    last = error
                    if error.reply.permanent:
                        # A host that says never speaks for its domain; the next one is not asked (features B09).
                        raise NoHostAnswered(tried, last, host, ip) from error
                except (ConversationFailed, OSError, TimeoutError) as error:
                    tried.append(f"{one.name} [{ip}]: {error or type(error).__name__}")
        raise NoHostAnswered(tried, last, host, ip)

    async def _open(self, plan: Plan, name: str, ip: str, port: int) -> SmtpClient:
        implicit = self._verifying if plan.login is not None and port == 465 else None
        client = await self._connect(ip, port, implicit, name)
        if implicit is None and "STARTTLS" in client.extensions:
            try:
                await client.start_tls(self._verifying if plan.login is not None else self._opportunistic, name)
            except ConversationFailed as error:
                client.close()
                if plan.tls_required or not error.tls:
                    raise
                client = await self._connect(ip, port, None, name)
        elif plan.tls_required and not client.tls:
            client.close()
            raise ConversationFailed("TLS is required and not offered", tls=True)
        if plan.login is not None:
            await client.log_in(plan.login.username, plan.login.password)
        return client

    async def _connect(self, ip: str, port: int, tls: ssl.SSLContext | None, name: str) -> SmtpClient:
        return await SmtpClient.connect(
            ip,
            port,
            ehlo_name=self._ehlo_name,
            timers=self._timers,
            connect_seconds=self._connect_seconds,
            tls=tls,
            server_name=name,
        )
