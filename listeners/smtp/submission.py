"""Ports 587 and 465: mail from our own users, who prove first who they are. Everything goes through the queue."""

import asyncio
import base64
import ipaddress
import mmap
from typing import Any

from listeners.limits import ConnectionLimits
from listeners.serve import Door, Origin, inherited, serve
from listeners.smtp.mx import BUSY, NO_SUCH_USER, service_of
from listeners.smtp.reading import looked_at
from listeners.smtp.service import Service
from listeners.smtp.session import TOO_LARGE, Session
from listeners.smtp.transaction import NO_ROOM, Body, Transaction
from listeners.tallies import Tallies
from listeners.tls import Certificate
from mail.address import Address
from mail.errors import BadCredentials, MailError, TooManyFailures, Unavailable
from mail.message import results
from mail.receive.simulate import at_end
from mail.runtime.world import World, open_world
from mail.sasl import exchange
from mail.sasl.exchange import Authenticated
from mail.smtp import future_release, trace_fields
from mail.smtp.commands import Rule
from mail.smtp.envelope import Mail
from mail.smtp.limits import SUBMISSION_PATIENCE
from mail.smtp.replies import BadCommand, Reply
from mail.smtp.trace_fields import Hop, protocol
from mail.submit.check import TOO_COMPLEX, Checked, check, summarized

NEEDS_TLS = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
NEEDS_AUTH = Reply(530, "5.7.0", "Authentication required")
LIMITED = Reply(421, "4.7.0", "Too many authentication failures")
AUTH_DOWN = Reply(454, "4.7.0", "Temporary authentication failure")
FAILURES_MAX = 3
# A line of base64 that carries the longest response (security CR-4), and the command before it.
AUTH_LINE = 12_288 + 64


class SubmissionSession(Session):
    name = "submission"
    submission = True
    line_limit = AUTH_LINE

    def __init__(self, origin: Origin, service: Service) -> None:
        super().__init__(origin, service)
        self.user: Authenticated | None = None
        self._failures = 0

    async def admitted(self) -> Reply | None:
        try:
            allowed = (await self.service.auth.call("allowed", {"ip": self.origin.ip}))["ok"]
        except Unavailable:
            # AUTH itself will say so: 454.
            return None
        return None if allowed else LIMITED

    @property
    def _private(self) -> bool:
        """Are passwords safe here: under TLS, or on loopback where the settings allow it."""
        return self.tls is not None or (self.service.plaintext_login and _is_loopback(self.origin.ip))

    def check_privacy(self, rules: Rule) -> None:
        if not self._private and Rule.PLAIN_OK not in rules:
            raise BadCommand(*_parts(NEEDS_TLS))

    def extensions(self) -> list[str]:
        # Who sends here hears what became of it. Strangers on port 25 do not: a notice of success to an address that
        # nobody proved is backscatter (security SM-10), so their own servers tell them (RFC 3461 §5.2.2).
        lines = [*super().extensions(), "DSN"]
        if self._private:
            lines.append("AUTH " + " ".join(exchange.MECHANISMS))
            lines.append(future_release.announcement(self.service.clock.wall_ms()))
        return lines

    # AUTH.

    async def smtp_AUTH(self, argument: str) -> None:
        """RFC 4954."""
        if not self._private:
            raise BadCommand(538, "5.7.11", "Encryption required for requested authentication mechanism")
        if self.user is not None:
            raise BadCommand(503, "5.5.1", "Already authenticated")
        if self.transaction is not None:
            raise BadCommand(503, "5.5.1", "Not during a mail transaction")
        mechanism, _, first = argument.partition(" ")
        if mechanism.upper() not in exchange.MECHANISMS:
            raise BadCommand(504, "5.5.4", "Unrecognized authentication type")
        initial = None
        if first:
            initial = b"" if first == "=" else exchange.decode_base64(first.encode())
            if initial is None:
                raise BadCommand(501, "5.5.2", "Response is not base64")
        facts = exchange.Facts("smtp", self.origin.ip, self.tls is not None)
        try:
            self.user = await exchange.authenticate(
                mechanism.upper(), initial, ask=self.service.auth.call, talk=self._talk, facts=facts
            )
        except BadCredentials as error:
            self._auth_failed(error)
            return
        except TooManyFailures:
            self.say_goodbye(LIMITED)
            return
        except Unavailable as error:
            self.log.error("auth-unavailable", exc=error, remedy="look at the auth program")
            self.answer(AUTH_DOWN)
            return
        self.log.info("authenticated", account=self.user.account, mechanism=mechanism.upper())
        self.answer(Reply(235, "2.7.0", "Authentication succeeded"))

    def _auth_failed(self, error: MailError) -> None:
        self._failures += 1
        self.log.info("auth-failed", failures=self._failures)
        if self._failures >= FAILURES_MAX:
            self.say_goodbye(LIMITED)
        else:
            self.answer(Reply(535, "5.7.8", "Authentication credentials invalid"))

    async def _talk(self, challenge: bytes) -> bytes:
        """A challenge out, a response in. `*` and what is not base64 end the exchange (RFC 4954 §4)."""
        self.write(b"334 " + base64.b64encode(challenge) + b"\r\n")
        self.deadline = self.loop.time() + self.patience.command_seconds
        line = (await self.read_line(AUTH_LINE))[:-2]
        if line == b"*":
            raise BadCommand(501, "5.7.0", "Authentication cancelled")
        response = exchange.decode_base64(line)
        if response is None:
            raise BadCommand(501, "5.5.2", "Response is not base64")
        return response

    # The transaction.

    async def sender_refused(self, mail: Mail) -> Reply | None:
        if self.user is None:
            return NEEDS_AUTH
        if mail.reverse_path is not None and not self.service.routing.owns(self.user.account_id, mail.reverse_path):
            return Reply(553, "5.7.1", f"Sender address not owned by user: {mail.reverse_path}")
        return None

    def recipient_refused(self, address: Address) -> Reply | None:
        routing = self.service.routing
        if routing.domain(address.domain) is not None and routing.lookup(address) is None:
            return NO_SUCH_USER
        return None

    def _check(self, octets: bytes | mmap.mmap) -> Checked:
        user, transaction = self.user, self.transaction
        assert user is not None and transaction is not None
        return check(
            octets,
            mail_from=transaction.mail.reverse_path,
            smtputf8=transaction.mail.smtputf8,
            owns=lambda author: self.service.routing.owns(user.account_id, author),
            hostname=self.service.hostname,
            now=self.service.clock.wall_ms(),
        )

    async def take(self, transaction: Transaction, body: Body, *, early: bool) -> Reply:
        if self.service.simulate_failures:
            refusal = await self._simulated(at_end([wanted.address for wanted in transaction.recipients]))
            if refusal is not None:
                return refusal
        checked = await looked_at(body.spool, self._check)
        if checked.refusal is not None:
            return checked.refusal
        summary = checked.summary
        if checked.header is not None:
            try:
                body.spool.replace_start(checked.header_end, checked.header)
            except OSError:
                return NO_ROOM
            summary = await looked_at(body.spool, summarized)
        if body.spool.size > self.service.max_message_bytes:
            return TOO_LARGE
        if summary is None:
            return TOO_COMPLEX
        assert self.user is not None
        # From here on the spool is what is stored, signed and sent. Who signs does it here, over spool and author; his
        # fields go in front of these.
        prefix = self._trace_fields(transaction)
        arguments = self._arguments(transaction, body, checked) | {
            "prefix": prefix.decode("latin-1"),
            "summary": summary.as_json(),
        }
        answer = await self.service.keeper.call("submit", arguments, (body.spool.seal(),))
        self.log.info(
            "message-queued",
            queue_message=answer["queue_message"],
            account=self.user.account,
            size=body.spool.size,
            recipients=len(transaction.recipients),
            message_id=summary.message_id,
        )
        return Reply(250, "2.0.0", f"Ok: queued as {answer['queue_message']}")

    def _arguments(self, transaction: Transaction, body: Body, checked: Checked) -> dict[str, Any]:
        """What the keeper is asked to queue, but for the fields in front and the summary."""
        user, mail = self.user, transaction.mail
        assert user is not None
        return {
            "cid": self.origin.cid,
            "ticket": user.ticket,
            "account_id": user.account_id,
            "mail_from": str(mail.reverse_path or ""),
            "size": body.spool.size,
            "eightbit": mail.eightbit or body.content.eightbit,
            "smtputf8": mail.smtputf8,
            # RFC 8689 §3: the field is not heard beside the parameter.
            "require_tls": True if mail.require_tls else False if checked.tls_required_no else None,
            "hold_until_at": transaction.release_at,
            "future_release": mail.hold,
            "extra": checked.extra,
            "envid": mail.envid,
            "ret": mail.ret,
            "recipients": [
                {"address": str(one.address), "notify": one.notify, "orcpt": one.orcpt}
                for one in transaction.recipients
            ],
        }

    def _trace_fields(self, transaction: Transaction) -> bytes:
        """How it came to us, and that its sender proved who he is (RFC 8601 §2.7.4)."""
        mail = transaction.mail
        method = results.auth("pass", str(mail.reverse_path or ""))
        proved = results.authentication_results(self.service.hostname, [method], smtputf8=mail.smtputf8)
        return self._received(transaction) + proved

    def _received(self, transaction: Transaction) -> bytes:
        """Without the user's address: where he sits is nobody's business."""
        spoken = protocol(
            extended=self.extended, smtputf8=transaction.mail.smtputf8, tls=self.tls is not None, authenticated=True
        )
        tls = f"{self.tls.version()} {self.tls.cipher()[0]}" if self.tls is not None else ""  # type: ignore[index]
        hop = Hop(self.service.hostname, self.origin.cid, self.ehlo_name, "", spoken, tls)
        single = transaction.recipients[0].address if len(transaction.recipients) == 1 else None
        return trace_fields.received(hop, at_ms=self.service.clock.wall_ms(), recipient=single)


def _parts(reply: Reply) -> tuple[int, str, str]:
    return reply.code, reply.enhanced, reply.text


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


async def listen(world: World) -> None:
    settings = world.settings
    certificates = []
    if settings.tls_client_cert:
        certificates.append(Certificate(settings.tls_client_cert, settings.tls_client_key, alpn="smtp", log=world.log))
    certificate = certificates[0] if certificates else None
    service = service_of(world, certificate)
    service.patience = SUBMISSION_PATIENCE
    service.plaintext_login = settings.plaintext_login

    def door(name: str, implicit: Certificate | None) -> Door:
        return Door(
            name, inherited(name), lambda origin: SubmissionSession(origin, service), BUSY.__getitem__, implicit
        )

    doors = [door("submission", None)] + ([door("submissions", certificate)] if certificate else [])
    timekeeper = asyncio.create_task(service.keep_time())
    limits = ConnectionLimits(
        world.clock, settings.connections_per_address, settings.connections_per_minute, Tallies.inherited()
    )
    await serve(doors, limits=limits, log=world.log, drain=service.drain, certificates=certificates)
    timekeeper.cancel()
    await asyncio.gather(timekeeper, return_exceptions=True)


def main() -> None:
    with open_world("submission") as world:
        asyncio.run(listen(world))


if __name__ == "__main__":
    main()
