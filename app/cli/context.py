"""What a command of mailctl may have: the settings, the store, the inner services, and one way to print.

Who needs no store takes `app.cli.place` and `app.cli.printing` instead, and starts in half the time.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from app.cli.place import Place
from app.cli.printing import json_option, plain, print_json, show, table
from mail.errors import Unavailable
from mail.log import Log
from mail.rpc import BlockingClient
from mail.runtime.stored import open_store
from mail.store import revision
from mail.store.blobs import BlobStore
from mail.store.changes import Changes, changing
from mail.store.engine import Store

__all__ = ["Context", "json_option", "pass_context", "plain", "print_json", "show", "table"]


@dataclass
class Context(Place):
    @cached_property
    def store(self) -> Store:
        store = open_store(self.settings)
        revision.check(store)
        return store

    def close(self) -> None:
        if "store" in vars(self):
            self.store.close()

    @property
    def blobs(self) -> BlobStore:
        return BlobStore(self.settings.blobs_dir)

    def auth(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._ask(self.settings.auth_socket, "auth", verb, args)

    def sign(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._ask(self.settings.sign_socket, "sign", verb, args)

    def keeper(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._ask(self.settings.keeper_socket, "keeper", verb, args)

    @staticmethod
    def _ask(path: Path, program: str, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        client = BlockingClient(path, timeout=30)
        try:
            return client.call(verb, args)
        except Unavailable as error:
            words = f"the {program} process does not answer at {path}: start the bundle, or look at its log"
            raise Unavailable(str(error), public=words) from error
        finally:
            client.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[Changes]:
        """One transaction; afterwards the listeners know of changed addresses, if the keeper runs."""
        with changing(self.store, None, clock=self.clock) as changes:
            yield changes
        with contextlib.suppress(Unavailable):
            self.keeper("routing", {})

    def log(self) -> Log:
        return Log({"program": "mailctl", "pid": os.getpid()}, level="error")


def pass_context(command: Callable[..., None]) -> Callable[..., None]:
    """The command's first argument is the `Context` of the place; what it opens is closed when all is done."""

    @functools.wraps(command)
    @click.pass_context
    def with_context(click_context: click.Context, /, *args: Any, **kwargs: Any) -> None:
        found = click_context.find_object(Context)
        if found is None:
            place = click_context.find_object(Place)
            found = click_context.obj = Context(place.folder if place is not None else None)
            click_context.call_on_close(found.close)
        click_context.invoke(command, found, *args, **kwargs)

    return with_context
