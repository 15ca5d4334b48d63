"""The processes of a local bundle: which live, how to be rid of them, whether they answer."""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from app.local.places import Places


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def supervisor(places: Places) -> int | None:
    """The pid of the bundle's living supervisord."""
    try:
        pid = int(places.supervisor_pid.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if alive(pid) and b"supervisord" in words and str(places.run).encode() in words else None


def leftovers(places: Places) -> list[int]:
    """Processes that run on this bundle's settings: those a killed supervisord left behind."""
    wanted = f"MAILSTEAD_SETTINGS={places.settings}".encode()
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                environment = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in environment and alive(int(entry)):
                found.append(int(entry))
    return found


def end(pids: list[int], seconds: float) -> None:
    """TERM, and after that many seconds KILL: nothing acknowledged is lost by it."""
    for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + wait
        while any(map(alive, pids)) and time.monotonic() < until:
            time.sleep(0.02)


def wait_gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


# What each service says first; IMAP and SMTP greet, the web is asked.
GREETINGS = {"smtp": b"220 ", "submission": b"220 ", "imap": b"* OK"}
# The TLS ports belong to programs that greet elsewhere.
ANSWERING = (*GREETINGS, "web")


def answers(name: str, where: str) -> bool:
    """Does the service speak its protocol; with another name: does anything listen there."""
    host, _, port = where.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2) as client:
            if name == "web":
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in client.recv(64)
            if name in GREETINGS:
                return client.recv(64).startswith(GREETINGS[name])
            return True
    except OSError:
        return False


def claim(where: str) -> socket.socket | None:
    """The claim to an address, while it is open; None when another start has it. It ends with its process."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"\0mailstead-start-{where}")
    except OSError:
        made.close()
        return None
    return made


def socket_answers(path: Path) -> bool:
    """Does one of the Unix sockets that match the path answer; stale ones do not."""
    for found in path.parent.glob(path.name):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(found))
            return True
    return False


def pss_kib(pid: int) -> int:
    """Proportional set size; 0 when it cannot be read."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
