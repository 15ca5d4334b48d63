"""The sign process's verbs in a thread of their own, for tests whose code waits for it."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from listeners.rpc import Server
from listeners.sign.service import Sign
from mail.config.settings import Settings
from mail.runtime.world import build_world


@dataclass(frozen=True)
class SignBeside:
    """`settings.sign_socket` is where it answers."""

    sign: Sign
    settings: Settings

    def selectors(self) -> list[str]:
        return [f"{selector}.{domain}" for domain, selector, _ in self.sign.keyring.listed()]


@contextlib.contextmanager
def sign_beside(folder: Path) -> Iterator[SignBeside]:
    settings = Settings(hostname="us.test", data_dir=folder, run_dir=folder)
    sign = Sign(build_world("sign", settings))
    server = Server(settings.sign_socket, sign.verbs(), allowed_uids=sign.callers.all, log=sign.world.log)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sign")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield SignBeside(sign, settings)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
