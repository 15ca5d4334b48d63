import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mail import log as logs
from mail.log import Log, new_cid


class Lines:
    """A log that writes into a pipe, and what came out of it."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()

    def log(self, level: str = "debug") -> Log:
        return Log({"program": "test"}, level=level, descriptor=self.writer)

    def octets(self) -> bytes:
        os.close(self.writer)
        self.writer = -1
        with os.fdopen(self._reader, "rb") as file:
            return file.read()

    def read(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.octets().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    yield Lines()


def test_an_event_is_one_line_with_its_facts(lines: Lines):
    lines.log().info("message-accepted", size=5, recipients=["a@b"])
    (line,) = lines.read()
    assert isinstance(line.pop("t"), int)
    assert line == {
        "level": "info",
        "event": "message-accepted",
        "program": "test",
        "size": 5,
        "recipients": ["a@b"],
    }


def test_bound_facts_are_on_every_line_and_later_ones_win(lines: Lines):
    log = lines.log().bound(cid="c1", peer="1.2.3.4")
    log.info("one")
    log.bound(cid="c2").info("two", peer="::1")
    one, two = lines.read()
    assert (one["cid"], one["peer"]) == ("c1", "1.2.3.4")
    assert (two["cid"], two["peer"]) == ("c2", "::1")


def test_what_is_below_the_least_severity_is_not_written(lines: Lines):
    log = lines.log("warning")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.critical("d")
    assert [line["event"] for line in lines.read()] == ["c", "d"]


def test_no_octet_of_a_stranger_begins_another_line(lines: Lines):
    hostile = 'x\r\n{"level":"critical","event":"forged"}\x1b[2J\u2028'
    lines.log().info("refused", text=hostile, raw=b"\xff\r\n")
    octets = lines.octets()
    assert octets.count(b"\n") == 1 and b"\r" not in octets and b"\x1b" not in octets
    assert json.loads(octets)["text"] == hostile


def test_a_lone_surrogate_is_escaped_and_the_line_is_kept(lines: Lines):
    lines.log().info("refused", text="a\udcffb")
    (line,) = lines.read()
    assert line["event"] == "refused" or "refused" in str(line["event"])
    assert "udcff" in str(line["text"])


def test_an_error_carries_its_type_and_stack_but_no_values(lines: Lines):
    def fails(password: str) -> None:
        raise ValueError("no")

    try:
        fails("hunter" + str(2))
    except ValueError as error:
        lines.log().error("session-failed", exc=error)
    (line,) = lines.read()
    assert line["error"] == "ValueError: no"
    assert "in fails" in str(line["stack"]) and "hunter2" not in str(line)


def test_a_log_that_has_gone_hurts_nobody(lines: Lines):
    log = lines.log()
    lines.octets()
    log.info("into the void")


def test_conversation_ids_are_sixteen_digits_and_differ():
    ids = {new_cid() for _ in range(1000)}
    assert len(ids) == 1000 and all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


def test_the_logging_of_libraries_becomes_events(lines: Lines):
    root = logging.getLogger()
    before, hook, thread_hook = list(root.handlers), sys.excepthook, logs.threading.excepthook
    try:
        logs.capture(lines.log())
        logging.getLogger("some.library").warning("odd: %s", "x\ny")
        logging.getLogger("some.library").info("not this")
    finally:
        root.handlers[:] = before
        sys.excepthook, logs.threading.excepthook = hook, thread_hook
    (line,) = lines.read()
    assert (line["event"], line["logger"], line["message"]) == ("library", "some.library", "odd: x\ny")


def test_what_nobody_caught_is_a_line_of_its_process():
    script = (
        "import threading\n"
        "from mail import log\n"
        "log.capture(log.for_program('p'))\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='worker')\n"
        "thread.start(); thread.join()\n"
        "raise RuntimeError('gone')\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    thread, process = (json.loads(line) for line in run.stderr.splitlines())
    assert run.returncode == 1
    assert (thread["event"], thread["thread"], process["event"]) == ("thread-died", "worker", "died")
    assert process["error"] == "RuntimeError: gone" and process["pid"] == thread["pid"]
