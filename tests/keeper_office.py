"""The keeper's parts in one process, over a real store and real files; the socket is left out."""

import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from listeners.keeper.committer import Committer, Content, Entry
from listeners.keeper.crash import CrashPoints
from listeners.keeper.housekeeping import Housekeeper
from listeners.keeper.local_mail import LocalMail
from listeners.keeper.receiving import Receiving
from listeners.keeper.space import ReserveFile, Space
from listeners.keeper.tables import RoutingTables
from listeners.keeper.verbs import Verbs
from listeners.rpc import Request, Verb
from mail import srs
from mail.events import Event
from mail.imap.summary import summarize
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SetClock
from mail.policy.facts import MessageFacts
from mail.receive.judge import Judge
from mail.sasl import tickets
from mail.store import accounts, mailboxes, messages
from mail.store.blobs import BlobWriter
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.verify import Finding, findings

TICKET_KEY = b"k" * tickets.KEY_OCTETS
SRS_KEY = b"s" * srs.KEY_OCTETS
PASS_KEY = b"p" * tickets.KEY_OCTETS
MESSAGES_A_MINUTE = 20
GIVE_UP_MS = 1000
SENDER = "zoe@far.example"
PROVED = MessageFacts(
    ip="192.0.2.1",
    tls=True,
    iprev="pass",
    spf="pass",
    spf_domain="far.example",
    mail_from=SENDER,
    author=SENDER,
    from_domain="far.example",
    org_domain="far.example",
    from_validated=True,
    to_and_cc=("ann@a.example", "bob@a.example"),
)


class Heard:
    """A publisher that remembers what listeners would have been told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.woken: list[str] = []

    def publish(self, happened: Iterable[Event], *, wake: Iterable[str] = ()) -> None:
        self.events.extend(happened)
        self.woken.extend(wake)


class Office:
    """Two accounts, ann and bob at a.example, and everything the keeper does for them."""

    def __init__(self, store: Store, folder: Path, clock: SetClock, *, reserve: int = 0) -> None:
        self.store, self.folder, self.clock, self._heard = store, folder, clock, Heard()
        self._log_descriptor = os.open(folder / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        log = Log(descriptor=self._log_descriptor)
        with changing(store, None, clock=clock) as changes:
            accounts.add_domain(changes.tx, "a.example", clock.wall_ms())
            self.ann, self.bob = (accounts.add_account(changes, name) for name in ("ann", "bob"))
            for number, name in ((self.ann, "ann"), (self.ann, "ann.too"), (self.bob, "bob")):
                accounts.add_address(changes.tx, f"{name}@a.example", number, clock.wall_ms())
        self.blobs = BlobWriter(folder / "blobs")
        self.blobs.prepare()
        self.committer = Committer(store, self.blobs, self._heard, clock=clock, log=log, crash=CrashPoints({}))
        self.reserve = ReserveFile(folder / "reserve", reserve_bytes=reserve, log=log)
        self.space = Space(folder, reserve_bytes=reserve, reserve_percent=0, file=self.reserve)
        self.housekeeper = Housekeeper(store, self.blobs, self.committer, self.reserve, clock=clock, log=log)
        self.tables = RoutingTables(
            store, folder / "routing/routing.json", default_account="", hostname="mx.example", log=log
        )
        self.tables.reload()
        self.metrics = Metrics()
        self.submissions = self.metrics.counter("submission_total", "", ("result",))
        self.verbs = Verbs(
            self.committer,
            lambda: self.tables.current,
            self.space,
            clock=clock,
            ticket_key=TICKET_KEY,
            give_up_ms=GIVE_UP_MS,
            max_message_bytes=1 << 20,
            submissions=self.submissions,
        )
        self.receiving = Receiving(
            self.verbs.commit,
            self.verbs.contents,
            Judge(PASS_KEY, MESSAGES_A_MINUTE),
            self.tables,
            clock=clock,
            hostname="mx.example",
            srs_key=SRS_KEY,
            give_up_ms=GIVE_UP_MS,
            decisions=self.metrics.counter("incoming_total", "", ("reason", "action")),
        )
        self.local_mail = LocalMail(
            self.verbs.commit,
            self.verbs.contents,
            self.tables,
            srs_key=SRS_KEY,
            give_up_ms=GIVE_UP_MS,
        )

    def start(self) -> None:
        self.committer.start()

    @property
    def heard(self) -> Heard:
        """What listeners were told after all that was answered: answers leave first, so this waits for what follows."""
        if self.committer._thread.is_alive():
            after = threading.Event()
            self.committer.submit(Entry([], lambda changes, staged: None, lambda result: after.set()))
            assert after.wait(10)
        return self._heard

    def verb(self, name: str) -> Verb:
        own = {"receive": self.receiving.receive, "deliver": self.local_mail.deliver}
        return own.get(name) or self.verbs.table()[name]

    def close(self) -> None:
        if self.committer._thread.is_alive():
            self.committer.stop()
        os.close(self._log_descriptor)

    def logged(self) -> str:
        return (self.folder / "keeper.log").read_text()

    def stored(self, account_id: int, mailbox: str = "Inbox") -> list[tuple[int, bytes]]:
        """(UID, octets) of a mailbox."""
        with self.store.read() as connection:
            box = mailboxes.find_mailbox(connection, account_id, mailbox)
            assert box is not None
            uids = [row[0] for row in messages.index(connection, account_id, box.id)]
            rows = list(messages.contents(connection, account_id, box.id, uids))
        return [
            (row.uid, row.prefix + (row.octets if row.octets is not None else self.blobs.read(row.folder, row.blob_id)))
            for row in rows
        ]

    def wrong(self) -> list[Finding]:
        return list(findings(self.store, self.blobs))


def memory(octets: bytes) -> int:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor


def letter(number: int, size: int = 500) -> bytes:
    head = (
        f"From: x@remote.example\r\nSubject: letter {number}\r\nMessage-ID: <{number}@remote.example>\r\n\r\n".encode()
    )
    return head + b"y" * max(size - len(head) - 2, 0) + b"\r\n"


def request(verb: str, args: dict[str, Any], *octets: bytes) -> Request:
    """What the server would hand to a verb; the descriptors are closed by `asked`."""
    return Request(verb, args, [memory(one) for one in octets], os.getuid(), os.getpid())


async def asked(office: Office, verb: str, args: dict[str, Any], *octets: bytes) -> dict[str, Any]:
    made = request(verb, args, *octets)
    try:
        return await office.verb(verb)(made)
    finally:
        made.close_descriptors()


def delivery(octets: bytes, *recipients: str, **more: Any) -> dict[str, Any]:
    return {
        "cid": "c" * 16,
        "mail_from": "x@remote.example",
        "received_at": 1_800_000_000_000,
        "size": len(octets),
        "summary": summarize(octets).as_json(),
        "author": "x@remote.example",
        "submitter": 0,
        "fields": [],
        "recipients": [{"address": one, "prefix": f"Delivered-To: {one}\r\n"} for one in recipients],
        **more,
    }


def arriving(octets: bytes, *recipients: str, facts: MessageFacts = PROVED, **more: Any) -> dict[str, Any]:
    """The arguments of `receive` for a message from SENDER, as they come out of the socket."""
    made = {
        "cid": "c" * 16,
        "mail_from": SENDER,
        "recipients": recipients,
        "received_at": 1_800_000_000_000,
        "size": len(octets),
        "smtputf8": False,
        "summary": summarize(octets).as_json(),
        "facts": replace(facts, size=len(octets)).as_json(),
        "words": "",
        "fields": [],
        "delivered_to": [],
        "report": "",
        "evaluation": None,
        "turn": "only",
        "head": f"Return-Path: <{SENDER}>\r\n",
        "tail": "Authentication-Results: mx.example; none\r\nReceived: by mx.example\r\n",
        **more,
    }
    read: dict[str, Any] = orjson.loads(orjson.dumps(made))
    return read


class Posted:
    """One entry given to the committer, and what came of it."""

    def __init__(self, office: Office, write: Any, *octets: bytes) -> None:
        self.descriptors = [memory(one) for one in octets]
        self.results: list[Any] = []
        contents = [Content(one, len(body)) for one, body in zip(self.descriptors, octets, strict=True)]
        self.entry = Entry(contents, write, self.results.append)
        office.committer.submit(self.entry)

    def close(self) -> Any:
        """The one result; the descriptors go."""
        for one in self.descriptors:
            os.close(one)
        (result,) = self.results
        return result
