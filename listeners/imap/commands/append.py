"""APPEND, several messages too. RFC 9051 §6.3.12, RFC 3502, RFC 7889 (APPENDLIMIT).

A message's size is judged before its octets are asked for; the octets go to a spool as they come, and the spools of one
command to the keeper together: all are stored or none.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from listeners.imap.connection import Disconnected
from listeners.imap.session import Session
from listeners.imap.spool import Spool
from mail.errors import NoSuchMailbox, StorageFull
from mail.imap.commands.append import Append, Arrival, parse_next
from mail.imap.grammar import BadSyntax, Cursor
from mail.imap.reader import CommandReceived, LiteralAnnounced, LiteralPart
from mail.imap.responses import Reply, bad, no, ok, reply_for
from mail.imap.sequence import render_sequence
from mail.store import mailboxes

# One descriptor a message travels to the keeper; the kernel takes 253 at once (unix(7), SCM_RIGHTS).
MOST_MESSAGES = 100
# For less it is not worth asking the store before the octets come: the keeper finds out.
LARGE = 64 * 1024


@dataclass(slots=True)
class Arriving:
    """The messages of one command. `problem`: why none of them is stored."""

    mailbox: str
    arrivals: list[Arrival] = field(default_factory=list)
    spools: list[Spool] = field(default_factory=list)
    problem: Reply | None = None

    @property
    def octets(self) -> int:
        return sum(spool.size for spool in self.spools)


async def run(session: Session, command: Append) -> Reply:
    arriving = Arriving(command.mailbox)
    try:
        await _receive_all(session, command.first, arriving)
        return arriving.problem or await _store(session, arriving)
    except OSError as error:
        return reply_for(StorageFull(str(error)))
    finally:
        for spool in arriving.spools:
            spool.close()


async def _receive_all(session: Session, first: Arrival, arriving: Arriving) -> None:
    """Returns when the command has ended, or its next literal was refused."""
    arrival = first
    while True:
        announced = session.connection.reader.asked
        assert announced is not None
        arriving.problem = arriving.problem or await _judge(session, announced, arriving)
        if arriving.problem is not None and announced.waits:
            session.connection.reader.refuse()
            return
        await _receive(session, announced, arrival, arriving)
        event = await session.connection.next_event()
        if isinstance(event, LiteralAnnounced):
            try:
                arrival = parse_next(_after(event.octets, arrival, session))
            except BadSyntax as error:
                arriving.problem = arriving.problem or bad(str(error))
            continue
        if not isinstance(event, CommandReceived):
            arriving.problem = bad("invalid end of APPEND")
        elif not _after(event.octets, arrival, session).at_end():
            arriving.problem = arriving.problem or bad("Illegal arguments")
        return


def _after(octets: bytes, arrival: Arrival, session: Session) -> Cursor:
    """What stands behind a message's octets."""
    cursor = Cursor(octets, utf8=session.utf8)
    if arrival.utf8:
        cursor.skip(b")")
    return cursor


async def _judge(session: Session, announced: LiteralAnnounced, arriving: Arriving) -> Reply | None:
    most = session.service.terms.max_message_bytes
    if announced.size > most or arriving.octets + announced.size > most:
        if not announced.waits:
            # RFC 7888 §4: it comes whatever we answer, and we will not read that much for nothing.
            session.bye("[TOOBIG] Message too large")
            raise Disconnected
        return no("TOOBIG", f"Message too large, the limit is {most} octets")
    if announced.size == 0:
        return no("CANNOT", "An empty message is not stored")
    if len(arriving.spools) >= MOST_MESSAGES:
        return no("LIMIT", f"Up to {MOST_MESSAGES} messages in one APPEND")
    if announced.size > LARGE and not await session.read(_exists, session.account_id, arriving.mailbox):
        return no("TRYCREATE", NoSuchMailbox.public)
    return None


def _exists(connection: Connection, account_id: int, name: str) -> bool:
    return mailboxes.find_mailbox(connection, account_id, name) is not None


async def _receive(session: Session, announced: LiteralAnnounced, arrival: Arrival, arriving: Arriving) -> None:
    """Take one message's octets; with a problem, only out of the way."""
    connection = session.connection
    spool = None
    if arriving.problem is None:
        spool = Spool(arriving.octets + announced.size, binary=announced.binary)
        arriving.spools.append(spool)
        arriving.arrivals.append(arrival)
    connection.reader.stream()
    if announced.waits:
        session.write(b"+ Go on\r\n")
    while True:
        part = await connection.next_event()
        assert isinstance(part, LiteralPart)
        if spool is not None and arriving.problem is None:
            spool.write(part.octets)
        if part.last:
            break
    if spool is not None and spool.nul:
        arriving.problem = bad("NUL is not allowed in a literal; use literal8")


async def _store(session: Session, arriving: Arriving) -> Reply:
    service = session.service
    messages: list[dict[str, Any]] = []
    for arrival, spool in zip(arriving.arrivals, arriving.spools, strict=True):
        summary = spool.summary() if spool.small else await session.in_thread(spool.summary)
        received_at = service.clock.wall_ms() if arrival.received_at is None else arrival.received_at
        messages.append(
            {
                "size": spool.size,
                "flags": arrival.flags,
                "keywords": sorted(arrival.keywords),
                "received_at": received_at,
                "summary": summary.as_json(),
            }
        )
    asked = {"account_id": session.account_id, "mailbox": arriving.mailbox, "messages": messages}
    try:
        stored = await service.keeper.call("append", asked, [spool.descriptor() for spool in arriving.spools])
    except NoSuchMailbox as error:
        return no("TRYCREATE", error.public)
    service.feed.look([(session.account_id, stored["mailbox_id"])])
    return ok(f"APPENDUID {stored['uidvalidity']} {render_sequence(stored['uids']).decode()}")
