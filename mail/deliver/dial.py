"""Getting to a host: connect, greet, TLS and login as the plan wants it.

1. Opportunistic TLS (RFC 7435): where STARTTLS is offered it is used without verifying; when the handshake fails, one
   more connection goes in clear, unless TLS is required (features B09).
2. Hosts are tried in order; one that says never (5xx) speaks for its domain, and the next is not asked.
3. A login that is refused is our own mistake and never the sender's: temporary, whatever the code.
"""

import ssl
from dataclasses import dataclass

from mail.deliver.hosts import Host
from mail.deliver.plan import Plan
from mail.smtp.client import SmtpClient, Timers
from mail.smtp.reply_reader import Reply, local_reply
from mail.smtp.wire import ConversationFailed, Refused

SUBMISSIONS_PORT = 465
TRIED_SHOWN = 4


@dataclass(slots=True)
class Dialed:
    """A conversation that has begun. `dual_stack`: the host has addresses of the other family too."""

    client: SmtpClient
    host: str
    ip: str
    dual_stack: bool = False


class NoHostAnswered(Exception):
    """No host would talk to us; `reply` says it in SMTP's words, the last host's own if it had any."""

    def __init__(self, reply: Reply, host: str, ip: str) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.host = host
        self.ip = ip


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


class Dialer:
    """`verifying` is for plans with a login: a password goes to nobody whose name is not proven."""

    def __init__(
        self, ehlo_name: str, *, timers: Timers | None = None, verifying: ssl.SSLContext | None = None
    ) -> None:
        self._ehlo_name = ehlo_name
        self._timers = timers or Timers()
        self._opportunistic = opportunistic_context()
        self._verifying = verifying or verifying_context()

    async def dial(self, plan: Plan, hosts: list[Host], port: int) -> Dialed:
        """The first host that talks to us. NoHostAnswered."""
        tried: list[str] = []
        last: Refused | None = None
        host = ip = ""
        for one in hosts:
            for ip in one.ips:
                host = one.name
                try:
                    client = await self._open(plan, one.name, ip, port)
                    return Dialed(client, one.name, ip, len({":" in other for other in one.ips}) == 2)
                except Refused as error:
                    last = error
                    if error.reply.permanent:
                        raise NoHostAnswered(error.reply, host, ip) from error
                    tried.append(f"{host} [{ip}]: {error}")
                except (ConversationFailed, OSError, TimeoutError) as error:
                    tried.append(f"{host} [{ip}]: {str(error) or 'no answer'}")
        if last is not None:
            raise NoHostAnswered(last.reply, host, ip)
        words = "; ".join(tried[:TRIED_SHOWN]) or "it has no address"
        raise NoHostAnswered(local_reply(451, "4.4.1", f"no server could be reached: {words}"), host, ip)

    async def _open(self, plan: Plan, name: str, ip: str, port: int) -> SmtpClient:
        context = self._verifying if plan.login is not None else self._opportunistic
        implicit = plan.fixed is not None and port == SUBMISSIONS_PORT  # RFC 8314 §3.3
        client = await self._connect(ip, port, context if implicit else None, name)
        try:
            if not implicit and "STARTTLS" in client.extensions:
                await client.start_tls(context, name)
            elif not implicit and plan.tls_required:
                raise ConversationFailed("TLS is required and not offered")
        except ConversationFailed as error:
            client.close()
            if plan.tls_required or not error.tls:
                raise
            client = await self._connect(ip, port, None, name)
        if plan.login is not None:
            await self._log_in(client, plan.login.username, plan.login.password)
        return client

    async def _log_in(self, client: SmtpClient, username: str, password: str) -> None:
        try:
            await client.log_in(username, password)
        except ConversationFailed as error:
            client.close()
            raise LoginRefused(f"the smarthost refuses our login: {error}") from error

    async def _connect(self, ip: str, port: int, tls: ssl.SSLContext | None, name: str) -> SmtpClient:
        return await SmtpClient.connect(
            ip, port, ehlo_name=self._ehlo_name, timers=self._timers, tls=tls, server_name=name
        )
