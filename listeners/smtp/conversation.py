"""One SMTP conversation: commands in order, each answered once. RFC 5321; what each may do is `mail.smtp.commands`.

    greeting -> EHLO [-> STARTTLS -> EHLO] [-> AUTH] -> (MAIL -> RCPT… -> DATA or BDAT…)… -> QUIT

`Session` adds the transaction. A method `smtp_<VERB>` is a command, for the verbs of the table COMMANDS and no others.
"""

import asyncio

from listeners.serve import Origin
from listeners.smtp.connection import NEVER, Connection, LineTooLong
from listeners.smtp.outlet import Disconnected
from listeners.smtp.service import SHUTTING_DOWN, Service
from listeners.smtp.transaction import Transaction
from mail.errors import MailError
from mail.smtp.commands import COMMANDS, LINE_LIMIT, Rule, parse_line, speaks_another_protocol
from mail.smtp.limits import MESSAGES, Strikes
from mail.smtp.replies import BadCommand, Reply, render, render_lines, reply_for

OK = Reply(250, "2.0.0", "Ok")
LONG_LINE = Reply(500, "5.5.2", "Line too long")
EARLY_TALKER = Reply(554, "5.5.1", "Protocol error")
UNKNOWN = Reply(500, "5.5.1", "Unknown command")


class Conversation(Connection):
    """The commands both listeners have. One that is refused leaves the session in step."""

    # What the subclass is called in logs and metrics.
    name = ""
    submission = False
    line_limit = LINE_LIMIT

    def __init__(self, origin: Origin, service: Service) -> None:
        super().__init__(origin, service.patience)
        self.service = service
        self.log = service.log.bound(cid=origin.cid, peer=origin.ip)
        self.strikes = Strikes()
        self.ehlo_name = ""
        self.extended = False
        self.transaction: Transaction | None = None

    # The conversation.

    async def _handle_client(self) -> None:
        """aiosmtpd's name for the conversation, which it starts as a task when the connection is made."""
        self.service.sessions.add(self)
        try:
            await self._converse()
        except Disconnected:
            pass
        except LineTooLong:
            self.say_goodbye(LONG_LINE)
        except Exception as error:  # noqa: BLE001 - one of the three: a conversation that hurts itself alone
            self.log.error("session-failed", exc=error)
            self.say_goodbye(Reply(421, "4.3.0", "Local error, closing connection"))
        finally:
            self._end_transaction()
            self.service.sessions.discard(self)
            await self._last_words()

    async def _last_words(self) -> None:
        """Leave the connection only when it is closed, or its time to read the goodbye is over."""
        if self._closing and not self._lost:
            self.service.sessions.add(self)
            while not self._lost and self.loop.time() < self.deadline:
                await asyncio.sleep(0.05)
            self.service.sessions.discard(self)
        if not self._lost:
            self.abort()

    async def _converse(self) -> None:
        # One turn of the loop, in which it reads what had come before we were asked to speak.
        await asyncio.sleep(0)
        if self.has_line:
            # It talks before it was greeted (security SM-7).
            self.say_goodbye(EARLY_TALKER)
            return
        welcome = await self.admitted()
        if welcome is not None:
            self.say_goodbye(welcome)
            return
        self.write(f"220 {self.service.hostname} ESMTP Mailstead\r\n".encode())
        first = True
        while not self._closing:
            if not first:
                self.deadline = self.loop.time() + self.patience.command_seconds
            line = await self._next_line()
            if line is None:
                continue
            if first and speaks_another_protocol(line):
                self.close()
                return
            first = False
            self.deadline = NEVER
            await self._command(line)
            if self.service.draining and self.transaction is None:
                self.say_goodbye(SHUTTING_DOWN)

    async def admitted(self) -> Reply | None:
        """A refusal instead of the greeting, where there is reason."""
        return None

    async def _next_line(self) -> bytes | None:
        try:
            return await self.read_line(self.line_limit)
        except BadCommand as error:
            self.answer(error.reply)
            self._end_if(self.strikes.bare_line_feed())
            return None

    def _end_if(self, last_words: Reply | None) -> bool:
        if last_words is not None:
            self.say_goodbye(last_words)
        return last_words is not None

    async def _command(self, line: bytes) -> None:
        try:
            verb, argument = parse_line(line[:-2])
            command = COMMANDS.get(verb)
            if len(line) > LINE_LIMIT and verb != "AUTH":
                raise LineTooLong
            if self._end_if(self.strikes.command(idle=command is not None and Rule.IDLE in command.rules)):
                return
            if command is None or (Rule.SUBMISSION in command.rules and not self.submission):
                self.answer(UNKNOWN if command is None else Reply(503, "5.5.1", "AUTH is not offered here"))
                self._end_if(self.strikes.unknown_command() if command is None else None)
                return
            self._check_order(verb, command.rules)
            if self.strikes.delay_for_idling:
                await asyncio.sleep(self.strikes.delay_for_idling)
            await getattr(self, f"smtp_{verb}")(argument)
        except BadCommand as error:
            self.answer(error.reply)
            if error.reply.closes:
                self.say_goodbye(None)
        except MailError as error:
            reply = reply_for(error)
            if reply.code < 500:
                self.log.warning("command-deferred", error=str(error))
            if reply.closes:
                self.say_goodbye(reply)
            else:
                self.answer(reply)

    def _check_order(self, verb: str, rules: Rule) -> None:
        """BadCommand when the command may not come now."""
        self.check_privacy(rules)
        if Rule.HELLO in rules and not self.ehlo_name and verb != "BDAT":
            raise BadCommand(503, "5.5.1", "EHLO first")
        if Rule.MAIL in rules and self.transaction is None:
            raise BadCommand(503, "5.5.1", "MAIL first")
        if Rule.RCPT in rules and self.transaction is not None and not self.transaction.recipients:
            raise BadCommand(554, "5.5.1", "No valid recipients")

    def check_privacy(self, rules: Rule) -> None:
        """BadCommand where TLS is needed first."""

    def _end_transaction(self) -> None:
        if self.transaction is not None and self.transaction.body is not None:
            self.transaction.body.close()
        self.transaction = None

    # Commands.

    async def smtp_EHLO(self, argument: str) -> None:
        self._hello(argument)
        self.extended = True
        self.write(render_lines(250, [self.service.hostname, *self.extensions()]))

    async def smtp_HELO(self, argument: str) -> None:
        self._hello(argument)
        self.extended = False
        self.write(f"250 {self.service.hostname}\r\n".encode())

    def _hello(self, argument: str) -> None:
        name = argument.strip()
        if not name or len(name) > 255 or " " in name:
            raise BadCommand(501, "5.5.4", "Syntax: EHLO hostname")
        self._end_transaction()
        self.ehlo_name = name

    def extensions(self) -> list[str]:
        lines = ["PIPELINING", f"SIZE {self.service.max_message_bytes}"]
        if self.service.tls is not None and self.tls is None:
            lines.append("STARTTLS")
        if self.tls is not None:
            lines.append("REQUIRETLS")  # RFC 8689 §2: only under TLS
        lines += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING"]
        return [*lines, f"LIMITS RCPTMAX={self.service.recipients_max} MAILMAX={MESSAGES}"]

    async def smtp_STARTTLS(self, argument: str) -> None:
        if argument:
            raise BadCommand(501, "5.5.4", "STARTTLS takes no argument")
        if self.tls is not None:
            raise BadCommand(503, "5.5.1", "TLS is active already")
        if self.service.tls is None:
            raise BadCommand(454, "4.7.0", "TLS not available")
        if self.has_line:
            # Security TL-1: what is behind it in the clear must never be taken for what came through TLS.
            self.say_goodbye(Reply(501, "5.5.1", "Pipelining after STARTTLS"))
            return
        await self.start_tls(self.service.tls, Reply(220, "2.0.0", "Ready to start TLS"))
        self._end_transaction()
        self.ehlo_name = ""

    async def smtp_RSET(self, argument: str) -> None:
        self._end_transaction()
        self.answer(OK)

    async def smtp_NOOP(self, argument: str) -> None:
        self.answer(OK)

    async def smtp_VRFY(self, argument: str) -> None:
        self.answer(Reply(252, "2.5.2", "Send some mail, I will try my best"))

    smtp_EXPN = smtp_VRFY

    async def smtp_HELP(self, argument: str) -> None:
        verbs = " ".join(verb for verb, command in COMMANDS.items() if self.submission or verb != "AUTH")
        self.answer(Reply(214, "2.0.0", verbs))

    async def smtp_QUIT(self, argument: str) -> None:
        if argument:
            raise BadCommand(501, "5.5.4", "QUIT takes no argument")
        self.write(render(Reply(221, "2.0.0", "Bye"), self.origin.cid))
        self.close()

    async def smtp_AUTH(self, argument: str) -> None:
        """Only where users send; the table keeps others from getting here."""
        self.answer(UNKNOWN)
