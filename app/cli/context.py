"""What every command of mailctl has: the settings, the store, the two inner services, and one way to print."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import orjson

from mail.config import settings as config
from mail.config.settings import Settings
from mail.errors import Unavailable
from mail.log import Log
from mail.now import SystemClock
from mail.rpc import BlockingClient
from mail.runtime.stored import open_store
from mail.runtime.world import settings_path
from mail.store import revision
from mail.store.blobs import BlobStore
from mail.store.changes import Changes, changing
from mail.store.engine import Store


@dataclass
class Context:
    folder: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        return config.load_file(self.folder / "mailstead.toml" if self.folder else settings_path())

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

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock()

    def auth(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._ask(self.settings.auth_socket, "auth", verb, args)

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


pass_context = click.make_pass_decorator(Context, ensure=True)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def print_json(value: Any) -> None:
    octets = orjson.dumps(value, default=_unknown, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    click.echo(octets.decode())


def _unknown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(type(value).__name__)


def show(value: Any, as_json: bool, lines: Sequence[str] | str) -> None:
    """The value as JSON, or the lines for people."""
    if as_json:
        print_json([plain(one) for one in value] if isinstance(value, list) else plain(value))
        return
    for line in [lines] if isinstance(lines, str) else lines:
        click.echo(line)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as they need; a sentence when there is nothing."""
    if not rows:
        return ["none"]
    cells = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
