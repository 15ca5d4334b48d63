"""One IMAP conversation: takes what the client sends, runs the commands, answers. RFC 9051 §2.2, §5.

Commands run one after the other, in the order they came; RFC 9051 §5.5 allows no more where one may change what
the next one means. After a command what changed in the selected mailbox is announced, then the tagged reply goes out.
"""

from listeners.imap.connection import Connection, Disconnected
from listeners.imap.dispatch import ROUTES
from listeners.imap.selected import Selected
from listeners.imap.service import Service
from listeners.imap.session import Session
from listeners.serve import Origin
from mail.errors import Bug, MailError
from mail.imap.command_table import COMMANDS, Command, Rule, State, refusal
from mail.imap.commands import append
from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.reader import UNASKED_LITERAL, BadLine, CommandReceived, Event, LiteralAnnounced, LiteralPart
from mail.imap.responses import HELD, Reply, bad, no, render_reply, reply_for

# What a stranger may get wrong before we hang up.
MOST_MISTAKES = 10

# So much of a literal that nobody asked for is read and dropped, rather than close on a user's mistake.
PASSED_OVER = 1 << 20

NOT_IMAP = "This is an IMAP server; please speak IMAP."
SHUTTING_DOWN = "Server shutting down, please reconnect"


class Conversation:
    __slots__ = ("_mistakes", "_origin", "_started", "connection", "service", "session")

    def __init__(self, service: Service, connection: Connection, origin: Origin) -> None:
        self.service = service
        self.connection = connection
        self.session = Session(service, connection, peer=origin.ip, cid=origin.cid)
        self._origin = origin
        self._mistakes = 0
        self._started = False

    # What the connection tells us.

    def connected(self) -> None:
        self.service.opened(self.connection)
        self.connection.start(self._greet())

    def disconnected(self) -> None:
        self.session.unselect()
        self.service.closed(self.connection)
        self._origin.closed()

    def caught_up(self) -> None:
        if self.session.idling and self.session.selected is not None:
            self.service.feed.look([self.session.selected.key])

    def failed(self, error: Exception) -> None:
        self.service.failures.inc()
        self.service.log.error(
            "imap-conversation-failed",
            cid=self.session.cid,
            peer=self.session.peer,
            login=self.session.login,
            exc=error,
        )
        self.session.bye("[SERVERBUG] Internal error, please reconnect.")

    def expired(self) -> None:
        if self.connection.closing or self.connection.stuck:
            self.connection.abort()
        elif self.session.state is State.NOT_AUTHENTICATED:
            self.session.bye("Time for logging in is over.")
        else:
            self.session.bye("Nothing was asked for too long; please reconnect.")

    def drain(self) -> None:
        """Say BYE now, or after the running command."""
        if not self.connection.busy:
            self.session.bye(SHUTTING_DOWN)

    async def _greet(self) -> None:
        try:
            allowed = (await self.service.auth.call("allowed", {"ip": self.session.peer}))["ok"]
        except MailError as error:
            # A login will meet the same trouble and say so.
            self.service.log.warning("imap-allowed-unknown", cid=self.session.cid, error=repr(error))
            allowed = True
        if not allowed:
            self.session.bye("Too many authentication failures, try again later")
            return
        self.session.write(
            f"* OK [CAPABILITY {self.session.capabilities()}] {self.service.terms.hostname} ready.\r\n".encode()
        )

    async def take(self, event: Event) -> None:
        """One thing the client sent, outside a command."""
        if isinstance(event, CommandReceived):
            await self._take_command(event.octets)
        elif isinstance(event, LiteralAnnounced):
            await self._take_literal(event)
        elif isinstance(event, BadLine):
            self._take_bad_line(event)
        else:
            raise Bug(f"{event} outside a command")
        if self.service.draining and not self.connection.closing:
            self.session.bye(SHUTTING_DOWN)

    def _take_bad_line(self, line: BadLine) -> None:
        if line.fatal or not self._started:
            self.session.bye(f"[TOOBIG] {line.why}" if line.fatal else NOT_IMAP)
            return
        try:
            tag = Cursor(line.octets).tag()
        except BadSyntax:
            tag = "*"
        self.session.write(f"{tag} BAD {line.why}\r\n".encode())
        self._mistake()

    def _mistake(self) -> None:
        self._mistakes += 1
        if self.session.state is State.NOT_AUTHENTICATED and self._mistakes >= MOST_MISTAKES:
            self.session.bye("Too many mistakes.")

    async def _take_literal(self, announced: LiteralAnnounced) -> None:
        reader = self.connection.reader
        tag, command, cursor = self._begun(announced.octets)
        streams = command is not None and Rule.STREAMS in command.rules and not self.session.idling
        if command is not None and streams and not append.names_by_literal(cursor):
            await self._run(tag, command, cursor)
        elif announced.fits and not self.session.idling:
            reader.accept()
            if announced.waits:
                self.session.write(b"+ Go on\r\n")
        elif announced.waits:
            reader.refuse()
            self.session.write(f"{tag or '*'} BAD [TOOBIG] Literal too large\r\n".encode())
            self._mistake()
        else:
            # RFC 7888 §4: the client sends it whatever we answer.
            self.session.bye("[TOOBIG] Literal too large")

    async def _pass_over_literals(self) -> None:
        """A command that takes its literals itself ended before it had them all."""
        reader = self.connection.reader
        while (announced := reader.asked) is not None:
            if announced.waits:
                reader.refuse()
            elif announced.size > (PASSED_OVER if self.connection.authenticated else UNASKED_LITERAL):
                self.session.bye("[TOOBIG] Literal too large")
                raise Disconnected
            else:
                reader.stream()
                while not (isinstance(part := await self.connection.next_event(), LiteralPart) and part.last):
                    pass
                await self.connection.next_event()

    def _begun(self, octets: bytes) -> tuple[str, Command | None, Cursor]:
        """Tag, command and what follows. An empty tag: there is none to answer to."""
        cursor = Cursor(octets, utf8=self.session.utf8)
        tag = ""
        try:
            tag = cursor.tag()
            cursor.space()
            verb = cursor.word()
            if verb == "UID":
                cursor.space()
                verb = f"UID {cursor.word()}"
        except BadSyntax:
            return tag, None, cursor
        return tag, COMMANDS.get(verb), cursor

    async def _take_command(self, octets: bytes) -> None:
        if self.session.idling:
            await self._end_idle(octets)
            return
        tag, command, cursor = self._begun(octets)
        if command is not None:
            await self._run(tag, command, cursor)
        elif not self._started:
            # A browser, a mail client on the wrong port, or garbage: features B11.
            self.session.bye(NOT_IMAP)
        else:
            self.session.write(f"{tag or '*'} BAD {'Unknown command.' if tag else 'Invalid tag.'}\r\n".encode())
            self._mistake()

    async def _end_idle(self, octets: bytes) -> None:
        tag, self.session.idling = self.session.idling, ""
        await self.session.catch_up(look=True)
        if octets.strip().upper() == b"DONE":
            self._answer(tag, COMMANDS["IDLE"], Reply("OK"))
        else:
            self._answer(tag, COMMANDS["IDLE"], bad("Expected DONE"))

    async def _run(self, tag: str, command: Command, cursor: Cursor) -> None:
        self._started = True
        self.session.tag = tag
        refused = refusal(command, self.session.state)
        if not refused and self.session.selected is not None and command.states is State.SELECTED:
            reply = self._refused_in_mailbox(command, self.session.selected)
        else:
            reply = bad(refused) if refused else None
        uid = command.verb.startswith("UID ")
        if reply is None:
            reply = await self._ran(command, cursor, uid)
        if Rule.STREAMS in command.rules:
            await self._pass_over_literals()
        if reply is HELD:
            self.service.commands.labels(command.verb, "held").inc()
            return
        if self.session.selected is not None:
            await self._catch_up_after(command, uid)
        self._answer(tag, command, reply)

    def _refused_in_mailbox(self, command: Command, selected: Selected) -> Reply | None:
        if selected.gone and command.verb not in ("CLOSE", "UNSELECT"):
            return no("NONEXISTENT", "The selected mailbox was removed")
        if selected.read_only and Rule.CHANGES in command.rules:
            return no("", "Mailbox is read-only")
        return None

    async def _ran(self, command: Command, cursor: Cursor, uid: bool) -> Reply:
        route = ROUTES[command.verb]
        try:
            parsed = route.parse(cursor, uid)
            if Rule.STREAMS not in command.rules:
                cursor.end()
            return await route.run(self.session, parsed) or Reply("OK")
        except BadSyntax as error:
            return bad(str(error))
        except MailError as error:
            self.service.log.info(
                "imap-command-failed",
                cid=self.session.cid,
                login=self.session.login,
                verb=command.verb,
                error=repr(error),
            )
            return reply_for(error)

    async def _catch_up_after(self, command: Command, uid: bool) -> None:
        try:
            await self.session.catch_up(
                look=Rule.LOOKS in command.rules, uid=uid, keeps_numbers=Rule.KEEPS_NUMBERS in command.rules
            )
        except MailError as error:
            # The command itself stands; the changes are told another time.
            self.service.log.warning("imap-catch-up-failed", cid=self.session.cid, exc=error)

    def _answer(self, tag: str, command: Command, reply: Reply) -> None:
        self.service.commands.labels(command.verb, reply.status).inc()
        self.session.write(render_reply(tag, command.verb, reply))
        if reply.status == "BAD":
            self._mistake()
        if command.verb == "LOGOUT" and reply.status == "OK":
            self.connection.close()
        elif self.session.parting:
            self.session.bye(self.session.parting)
