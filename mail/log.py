"""One JSON line an event, on standard error: a static word and keyword facts.

1. The event is a static word (`message-accepted`); what varies is in the facts, which are never formatted into it.
2. A line is one write of one line: JSON escapes control characters, so no remote octet can begin another line.
3. Secrets are not facts: passwords, tokens, cookies, AUTH arguments and message content never come here (security IN-5).
"""

import os
import secrets
import time
import traceback
from typing import Any

import orjson

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def new_cid() -> str:
    """A conversation id: 16 hexadecimal digits, unique for all practical purposes."""
    return secrets.token_hex(8)


def _plain(value: object) -> object:
    """What JSON has no word for, as text; octets and lone surrogates made printable."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


class Log:
    """Writes events. `bound()` gives one that adds the same facts to every line."""

    __slots__ = ("_descriptor", "_facts", "_least")

    def __init__(self, facts: dict[str, Any] | None = None, *, level: str = "info", descriptor: int = 2) -> None:
        self._facts = facts or {}
        self._least = LEVELS[level]
        self._descriptor = descriptor

    def bound(self, **facts: Any) -> "Log":
        made = Log.__new__(Log)
        made._facts = {**self._facts, **facts}
        made._least = self._least
        made._descriptor = self._descriptor
        return made

    def debug(self, event: str, **facts: Any) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Someone should look this week."""
        self._write("warning", event, facts)

    def error(self, event: str, *, exc: BaseException | None = None, **facts: Any) -> None:
        """This message or session was hurt. `exc` adds its type, words and stack, without local values."""
        self._write("error", event, _with(exc, facts))

    def critical(self, event: str, *, exc: BaseException | None = None, **facts: Any) -> None:
        """The service is hurt."""
        self._write("critical", event, _with(exc, facts))

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if LEVELS[level] < self._least:
            return
        line = {"t": time.time_ns() // 1_000_000, "level": level, "event": event, **self._facts, **facts}
        try:
            octets = orjson.dumps(line, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            # A lone surrogate from a remote's octets: JSON has no such character.
            text = {name: value if isinstance(value, int) else ascii(value) for name, value in line.items()}
            octets = orjson.dumps(text, option=orjson.OPT_APPEND_NEWLINE)
        try:
            os.write(self._descriptor, octets)
        except OSError:
            # The log has gone (a full disk, a closed pipe); mail goes on.
            pass


def _with(exc: BaseException | None, facts: dict[str, Any]) -> dict[str, Any]:
    if exc is None:
        return facts
    stack = "".join(traceback.format_tb(exc.__traceback__, limit=-12))
    return {**facts, "error": f"{type(exc).__name__}: {exc}", "stack": stack}


def for_program(program: str, level: str = "info") -> Log:
    return Log({"program": program, "pid": os.getpid()}, level=level)
