"""One IMAP session: its state, its ways to the store, and what it tells the client. RFC 9051 §3, §5.

What a command in `commands/` uses of its session:

- `session.write(octets)` collects untagged responses; cheap. In a loop over messages: `await session.flush()` every
  some 50 KiB, which sends and waits while the client does not read (it never holds more than 1 MiB).
- `await session.read(work, *args)` runs `work(connection, *args)` in a store thread inside one read transaction.
- `await session.change(work, *args)` runs `work(changes, *args)` in a store thread inside one write transaction of
  `mail.store.changes`; when it returns, the change is committed and the process's index of the selected mailbox knows
  it. `await session.in_thread(work, *args)` is for slow work that needs neither (reading blobs, scanning text).
- `session.selected` is the client's view (`selected.py`). It stands still while a command runs, and `catch_up` moves it
  on before the tagged reply. A command that wants changes told earlier (STORE before its FETCHes) awaits `catch_up`.
- `session.enabled` holds what ENABLE or use switched on: CONDSTORE, QRESYNC, IMAP4REV2, UTF8=ACCEPT.
  `session.use_condstore()` is for a command whose arguments enable it (RFC 7162 §3.1).
- `session.utf8`: names and quoted strings may be UTF-8. `session.service` has the process's store, blobs and so on.

A command answers by its return value: None, or `ok/no/bad(...)` of `mail.imap.responses`.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from listeners.imap.connection import Connection
from listeners.imap.selected import Selected
from listeners.imap.service import Service
from listeners.serve import in_thread
from mail.imap.capabilities import capabilities
from mail.imap.command_table import State
from mail.imap.index import Index
from mail.imap.reader import AUTHENTICATED
from mail.imap.updates import Style, render_updates

T = TypeVar("T")

# Over all connections the auth process counts; this only ends one that keeps guessing.
MOST_FAILED_LOGINS = 3
MECHANISMS = ("SCRAM-SHA-256", "PLAIN")


class Session:
    __slots__ = (
        "account",
        "account_id",
        "cid",
        "connection",
        "enabled",
        "idling",
        "failed_logins",
        "login",
        "parting",
        "peer",
        "selected",
        "service",
        "state",
        "tag",
    )

    def __init__(self, service: Service, connection: Connection, *, peer: str, cid: str) -> None:
        self.service = service
        self.connection = connection
        self.peer = peer
        self.cid = cid
        self.state = State.NOT_AUTHENTICATED
        self.account_id = 0
        self.account = ""
        self.login = ""
        self.enabled: frozenset[str] = frozenset()
        self.selected: Selected | None = None
        self.tag = ""
        self.idling = ""  # the tag of a running IDLE
        self.failed_logins = 0
        self.parting = ""  # what BYE says after the running command

    # What commands use.

    def write(self, octets: bytes) -> None:
        self.connection.write(octets)

    async def flush(self) -> None:
        await self.connection.flush()

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await in_thread(work, *arguments)

    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        return await in_thread(self.service.reading, work, *arguments)

    async def change(self, work: Callable[..., T], *arguments: Any) -> T:
        key = self.selected.key if self.selected is not None else None
        result = await in_thread(self.service.changing, key, work, *arguments)
        if key is not None:
            self.service.feed.tell(key)
        return result

    @property
    def utf8(self) -> bool:
        return bool(self.enabled & {"IMAP4REV2", "UTF8=ACCEPT"})

    @property
    def rev2(self) -> bool:
        return "IMAP4REV2" in self.enabled

    @property
    def tls(self) -> bool:
        return self.connection.tls is not None

    @property
    def private(self) -> bool:
        """Passwords may pass: RFC 9051 §6.2.3, §11.1."""
        return self.tls or (self.service.terms.plaintext_login and self.peer.startswith(("127.", "::1")))

    def capabilities(self) -> str:
        terms = self.service.terms
        return capabilities(
            mechanisms=MECHANISMS if self.private else (),
            starttls=not self.tls and terms.tls is not None,
            append_limit=terms.max_message_bytes,
            authenticated=self.state is not State.NOT_AUTHENTICATED,
        )

    def use_condstore(self) -> None:
        """RFC 7162 §3.1: a command that speaks of MODSEQ enables it, and HIGHESTMODSEQ is told then."""
        if "CONDSTORE" in self.enabled:
            return
        self.enabled |= {"CONDSTORE"}
        if self.selected is not None:
            self.write(b"* OK [HIGHESTMODSEQ %d] Now counting.\r\n" % self.selected.index.modseq)

    def logged_in(self, found: dict[str, Any]) -> None:
        """After the auth process said yes."""
        self.account_id, self.account, self.login = found["account_id"], found["account"], found["login"]
        self.state = State.AUTHENTICATED
        self.connection.logged_in()
        self.connection.reader.limits = AUTHENTICATED

    def login_failed(self, *, final: bool) -> None:
        self.failed_logins += 1
        if final or self.failed_logins >= MOST_FAILED_LOGINS:
            self.parting = "Too many authentication failures"

    def select(self, selected: Selected) -> None:
        self.unselect()
        self.selected = selected
        self.state = State.SELECTED
        self.service.feed.watch(selected.key, self)

    def unselect(self) -> None:
        if self.selected is not None:
            self.service.feed.unwatch(self.selected.key, self)
            self.selected = None
            self.state = State.AUTHENTICATED

    def bye(self, text: str) -> None:
        """Say why, and close."""
        self.write(f"* BYE {text}\r\n".encode())
        self.connection.close()

    # Announcing what changed in the selected mailbox.

    def style(self, *, uid: bool = False, keeps_numbers: bool = False) -> Style:
        return Style(
            condstore="CONDSTORE" in self.enabled,
            qresync="QRESYNC" in self.enabled,
            uid=uid,
            keeps_numbers=keeps_numbers,
        )

    async def catch_up(
        self,
        *,
        look: bool = False,
        uid: bool = False,
        keeps_numbers: bool = False,
        also: Collection[int] = (),
        quiet: Collection[int] = (),
    ) -> None:
        """Move the client's view on and announce the difference. `look`: ask the store, whatever the bus said."""
        selected = self.selected
        if selected is None or selected.gone:
            return
        indexes = self.service.indexes
        index = indexes.current(selected.key)
        if look or index is None or self.service.feed.stale(selected.key):
            index = await self.read(indexes.refresh, *selected.key)
        self._announce(selected, index, self.style(uid=uid, keeps_numbers=keeps_numbers), also, quiet)

    def _announce(
        self,
        selected: Selected,
        index: Index | None,
        style: Style,
        also: Collection[int] = (),
        quiet: Collection[int] = (),
    ) -> None:
        if index is None or index.uidvalidity != selected.index.uidvalidity:
            selected.gone = True
            self.write(b"* NO [NONEXISTENT] The selected mailbox was removed.\r\n")
            return
        if index.modseq < selected.index.modseq:
            index = selected.index
        out, selected.index = render_updates(selected.index, index, style, also=also, quiet=quiet)
        for line in out:
            self.write(line)

    def knows(self, index: Index) -> bool:
        return self.selected is None or self.selected.gone or self.selected.index.modseq >= index.modseq

    def announce_idle(self, index: Index | None) -> None:
        """In IDLE only. A client that does not read hears the sum later: `caught_up`."""
        if self.selected is None or self.selected.gone or self.connection.stuck:
            return
        self._announce(self.selected, index, self.style())
        self.connection.send()
