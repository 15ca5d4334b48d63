"""The auth process: its verbs on a Unix socket.

Everyone may ask whether somebody is who he says; only root and our own uid may change a password (SO_PEERCRED).
"""

import asyncio
import os
import signal
from typing import Any

from listeners.auth.logins import Logins
from listeners.auth.sessions import Sessions
from listeners.rpc import Request, Server, Verb
from mail.accounts import passwords
from mail.accounts.failures import DAY_MS, Failures
from mail.errors import BadCredentials, BadPassword, NotAllowed, TooManyFailures
from mail.runtime.world import World, open_world
from mail.sasl import tickets
from mail.store.engine import Store
from mail.store.secrets import ADMIN, Secrets

SAVE_SECONDS = 5.0
CHECKPOINT_OCTETS = 4 << 20


class Auth:
    def __init__(self, world: World, store: Store) -> None:
        self.world = world
        self.store = store
        self.secrets = Secrets(store)
        self.secrets.prepare()
        self.failures = Failures(world.clock)
        self.failures.restore(self.secrets.load_failures(world.clock.wall_ms() // DAY_MS))
        self.logins = Logins(
            self.secrets,
            world.routing,
            self.failures,
            ticket_key=tickets.load_key(world.settings.ticket_key),
            clock=world.clock,
            metrics=world.metrics,
        )
        self.sessions = Sessions(self.secrets, world.clock)

    def verbs(self) -> dict[str, Verb]:
        return {
            "allowed": self.allowed,
            "plain": self.plain,
            "scram_first": self.scram_first,
            "scram_final": self.scram_final,
            "set_password": self.set_password,
            "has_password": self.has_password,
            "remove_account": self.remove_account,
            "set_admin_password": self.set_admin_password,
            "admin_check": self.admin_check,
            "session_open": self.session_open,
            "session_check": self.session_check,
            "session_close": self.session_close,
        }

    async def allowed(self, request: Request) -> dict[str, Any]:
        return {"ok": self.failures.allowed(str(request.args["ip"]))}

    async def plain(self, request: Request) -> dict[str, Any]:
        return await self.logins.plain(request.args)

    async def scram_first(self, request: Request) -> dict[str, Any]:
        return await self.logins.scram_first(request.args)

    async def scram_final(self, request: Request) -> dict[str, Any]:
        return await self.logins.scram_final(request.args)

    async def set_password(self, request: Request) -> dict[str, Any]:
        _only_administrators(request)
        account_id = int(request.args["account_id"])
        if account_id == ADMIN:
            raise NotAllowed("account 0")
        await asyncio.to_thread(self._set, account_id, str(request.args["password"]), admin=False)
        return {}

    async def set_admin_password(self, request: Request) -> dict[str, Any]:
        _only_administrators(request)
        await asyncio.to_thread(self._set, ADMIN, str(request.args["password"]), admin=True)
        return {}

    def _set(self, account_id: int, password: str, *, admin: bool) -> None:
        made = passwords.verifiers(passwords.checked(password, admin=admin))
        self.secrets.set_password(account_id, made, self.world.clock.wall_ms())
        self.logins.forget(account_id)

    async def has_password(self, request: Request) -> dict[str, Any]:
        found = await asyncio.to_thread(self.secrets.verifiers, int(request.args["account_id"]))
        return {"ok": found is not None}

    async def remove_account(self, request: Request) -> dict[str, Any]:
        _only_administrators(request)
        account_id = int(request.args["account_id"])
        await asyncio.to_thread(self.secrets.remove_account, account_id)
        self.logins.forget(account_id)
        return {}

    async def admin_check(self, request: Request) -> dict[str, Any]:
        """Is it the administrator's password. Counted as every other login."""
        ip = str(request.args["ip"])
        if not self.failures.allowed(ip):
            raise TooManyFailures(f"from {ip}")
        if not await asyncio.to_thread(self._is_admin, str(request.args["password"])):
            self.failures.failed(ip, ADMIN)
            raise BadCredentials(f"administrator, from {ip}")
        self.failures.succeeded(ip, ADMIN)
        return {"ok": True}

    def _is_admin(self, password: str) -> bool:
        kept = self.secrets.verifiers(ADMIN)
        try:
            given = passwords.transformed(password)
        except BadPassword:
            given = password
        return passwords.matches(kept.argon2 if kept else passwords.no_ones_hash(), given) and kept is not None

    async def session_open(self, request: Request) -> dict[str, Any]:
        admin = bool(request.args.get("admin"))
        account_id = ADMIN if admin else int(request.args["account_id"])
        return {"token": await asyncio.to_thread(self.sessions.open, account_id, admin=admin)}

    async def session_check(self, request: Request) -> dict[str, Any]:
        row = await asyncio.to_thread(self.sessions.check, str(request.args["token"]))
        return {"account_id": row.account_id, "admin": row.admin, "expires_at": row.expires_at}

    async def session_close(self, request: Request) -> dict[str, Any]:
        await asyncio.to_thread(self.sessions.close, str(request.args["token"]))
        return {}

    def _save(self) -> None:
        self.secrets.save_failures(self.failures.take_changed())
        if self.store.wal_size() > CHECKPOINT_OCTETS:
            self.store.checkpoint("TRUNCATE")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        server = Server(self.world.settings.auth_socket, self.verbs(), allowed_uids=None, log=self.world.log)
        await server.start()
        self.world.log.info("started")
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), SAVE_SECONDS)
            except TimeoutError:
                await asyncio.to_thread(self._save)
        await server.stop()
        await asyncio.to_thread(self._save)
        self.logins.stop()
        self.world.log.info("stopped")


def _only_administrators(request: Request) -> None:
    if request.uid not in (0, os.getuid()):
        raise NotAllowed(f"uid {request.uid} may not change passwords")


def main() -> None:
    with open_world("auth") as world:
        settings = world.settings
        store = Store.open(settings.auth_database, lock=settings.auth_lock, checkpointer=True)
        try:
            asyncio.run(Auth(world, store).run())
        finally:
            store.close()
