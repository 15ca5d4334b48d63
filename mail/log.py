"""One JSON line an event, on standard error: a static word and keyword facts.

What libraries log, and what nobody caught, becomes such lines too once a process called `capture`.

1. The event is a static word (`message-accepted`); what varies is in the facts, which are never formatted into it.
2. A line is one write of one line: JSON escapes control characters, so no remote octet can begin another line.
3. Secrets are not facts: passwords, tokens, cookies, AUTH arguments and message content never come here
   (security IN-5).
"""

import logging
import os
import secrets
import sys
import threading
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


class _LibraryLines(logging.Handler):
    """Python's own logging, as events of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        exc = record.exc_info[1] if record.exc_info else None
        facts = {"logger": record.name, "message": record.getMessage()}
        if record.levelno >= logging.ERROR:
            self._log.error("library", exc=exc, **facts)
        else:
            self._log.warning("library", **facts)


def capture(log: Log) -> None:
    """From now on, uncaught exceptions and the libraries' warnings are JSON lines of this process too."""

    def died(kind: type[BaseException], error: BaseException, trace: object) -> None:
        if issubclass(kind, SystemExit | KeyboardInterrupt):
            return
        _now(log).critical("died", exc=error)

    def thread_died(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
            name = arguments.thread.name if arguments.thread else ""
            _now(log).error("thread-died", exc=arguments.exc_value, thread=name)

    sys.excepthook = died
    threading.excepthook = thread_died
    logging.getLogger().addHandler(_LibraryLines(log))


def _now(log: Log) -> Log:
    """The pid after a fork is another one."""
    return log.bound(pid=os.getpid())
