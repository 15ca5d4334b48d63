"""Every acknowledgement comes after its syncs: the keeper's, the 250 of port 25, the OK of APPEND (security §3.9.1)."""

import contextlib
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle import Bundle, running_bundle, wait_until
from tests.faults.keeper import KeeperFolder
from tests.faults.ledger import entry_message
from tests.faults.order import STRACE, check

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

SMALL, LARGE = 2000, 20_000


def test_the_keeper_answers_only_what_is_durable(tmp_path: Path) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    trace = tmp_path / "trace"
    folder.wrapper = (*STRACE, "-o", str(trace))
    with folder.running():
        for size in (SMALL, LARGE):
            assert all(folder.deliver_many(f"one-{size}", 5, 1, size))
            assert all(folder.deliver_many(f"many-{size}", 40, 8, size))
    seen = check(trace.read_text())
    print(f"acknowledgements checked: {seen.checked}")
    assert seen.checked["keeper"] == 90
    assert seen.violations == []


@contextlib.contextmanager
def traced(bundle: Bundle, trace: Path) -> Iterator[None]:
    """All listeners of a running bundle under one strace, so that their calls have one order."""
    wanted = [str(pid) for pid, command in bundle.programs() if "listeners." in command]
    attach = [word for pid in wanted for word in ("-p", pid)]
    tracer = subprocess.Popen([*STRACE, "-o", str(trace), *attach], stderr=subprocess.PIPE)

    def attached() -> bool:
        if tracer.poll() is not None:
            pytest.skip(f"strace may not attach here: {tracer.stderr.read().decode()!r}")  # type: ignore[union-attr]
        states = [Path(f"/proc/{pid}/status").read_text() for pid in wanted]
        return all("TracerPid:\t0\n" not in state for state in states)

    try:
        wait_until(attached, 20, "strace is attached")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)


def send(bundle: Bundle, keys: list[str]) -> None:
    with smtplib.SMTP(*bundle.address("smtp"), timeout=60) as client:
        for key in keys:
            message = marked(key, LARGE if key.endswith("1") else SMALL)
            client.sendmail("trace@example.test", ["anyone@localhost"], message)


def append(bundle: Bundle, keys: list[str]) -> None:
    """APPEND in clear, each under its own tag, which its acknowledgement repeats."""
    with socket.create_connection(bundle.address("imap"), timeout=60) as connection, connection.makefile("rwb") as wire:
        wire.readline()

        def command(tag: str, text: str, literal: bytes = b"") -> None:
            wire.write(f"{tag} {text}\r\n".encode() + literal + (b"\r\n" if literal else b""))
            wire.flush()
            while not (line := wire.readline()).startswith(tag.encode() + b" "):
                assert line, "the connection ended"
            assert line.startswith(f"{tag} OK".encode()), line

        command("l", f'LOGIN "{bundle.ready["account"]}" "{bundle.ready["password"]}"')
        for key in keys:
            message = marked(key, LARGE if key.endswith("1") else SMALL)
            command(key, f"APPEND Inbox {{{len(message)}+}}", message)


def marked(key: str, size: int) -> bytes:
    return entry_message(0, "k", size).replace(b"k.0", key.encode())


def test_no_reply_of_the_bundle_leaves_before_what_it_promises(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    each, clients = 10, 4
    with running_bundle(tmp_path / "bundle", "--plaintext-login") as bundle:
        with traced(bundle, trace):
            threads = [
                threading.Thread(target=work, args=(bundle, [f"{way}.{client}-{n}" for n in range(each)]))
                for client in range(clients)
                for way, work in (("mx", send), ("app", append))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert bundle.mailctl("verify")["findings"] == []
    seen = check(trace.read_text())
    print(f"acknowledgements checked: {seen.checked}")
    assert seen.checked == {"keeper": each * clients, "smtp": each * clients, "imap": each * clients}
    assert seen.violations == []


NAME, OTHER = "ab" * 16, "cd" * 16
IN_A_FILE = f"""\
1 write(9</s/blobs/tmp/{NAME}>, "X-Ledger: app.1\\r\\n", 1) = 1
2 fdatasync(9</s/blobs/tmp/{NAME}>) = 0
3 link("/s/blobs/tmp/{NAME}", "/s/blobs/20261124/aa/{NAME}") = 0
1 fsync(10</s/blobs/20261124/aa>) = 0
1 pwrite64(11</s/db/core.db-wal>, "\\1{NAME}\\2", 1, 0) = 1
1 fdatasync(11</s/db/core.db-wal>) = 0
"""
IN_ITS_ROW = f"""\
1 pwrite64(11</s/db/core.db-wal>, "X-Ledger: app.1\\r\\n\\0{NAME}", 1, 0) = 1
1 fdatasync(11</s/db/core.db-wal>) = 0
"""
REPLIES = (
    f'4 sendto(12<UNIX-STREAM:[1]>, "{{\\"ok\\":{{\\"reply\\":null,\\"blob\\":\\"{NAME}\\"}}}}", 9) = 9',
    f'4 sendto(12<UNIX-STREAM:[1]>, "{{\\"ok\\":{{\\"blob\\":\\"{NAME}\\"}}}}", 9) = 9',
    f'5 sendto(13<TCP:[2]>, "250 2.0.0 Ok: stored as {NAME}\\r\\n", 9) = 9',
    '6 write(14<TCP:[3]>, "app.1 OK [APPENDUID 1 2] done\\r\\n", 9) = 9',
)


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("before", [IN_A_FILE, IN_ITS_ROW], ids=["in a file", "in its row"])
def test_the_checker_passes_the_right_order_and_no_other(before: str, reply: str) -> None:
    lines = [*before.splitlines(), reply]
    seen = check("\n".join(lines))
    assert seen.violations == [] and sum(seen.checked.values()) == 1
    for missing in range(len(lines) - 1):
        lacking = [line for number, line in enumerate(lines) if number != missing]
        if "write(9" not in lines[missing]:
            assert check("\n".join(lacking)).violations, f"without {lines[missing]}"
    for place in range(len(lines) - 1):
        swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
        assert check("\n".join(swapped)).violations, f"swapped at {lines[place]}"


def test_a_sync_counts_when_it_has_returned_and_only_if_it_did_well() -> None:
    write, sync, reply = [*IN_ITS_ROW.splitlines(), REPLIES[0]]
    begun = sync.replace(") = 0", " <unfinished ...>")
    ended = "1 <... fdatasync resumed>) = 0"
    assert check("\n".join([write, begun, ended, reply])).violations == []
    assert check("\n".join([write, begun, reply, ended])).violations
    failed = sync.replace("= 0", "= -1 EIO (Input/output error)")
    assert check("\n".join([write, failed, reply])).violations


def test_the_log_of_a_later_message_does_not_hide_or_accuse_an_earlier_one() -> None:
    later = f'1 pwrite64(11</s/db/core.db-wal>, "{NAME} {OTHER}", 1, 0) = 1'
    early = REPLIES[0].replace(NAME, OTHER)
    assert check("\n".join([*IN_ITS_ROW.splitlines(), later, REPLIES[0]])).violations == []
    assert check("\n".join([*IN_ITS_ROW.splitlines(), later, early])).violations
