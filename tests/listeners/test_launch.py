import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from listeners import launch
from tests.bundle import children, wait_until

ROOT = Path(__file__).parents[2]

# A program that answers each connection with its pid, and ends at once on TERM.
ANSWERS = """
import os, signal, socket, sys
from listeners.serve import inherited

def main():
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    (listening,) = inherited("echo")
    listening.setblocking(True)
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"%d" % os.getpid())
"""
# Writes what it may do and waits for TERM.
TELLS = """
import json, os, resource, signal

def main():
    status = open("/proc/self/status").read().split()
    mask = os.umask(0o027)
    print(json.dumps({
        "no_new_privs": status[status.index("NoNewPrivs:") + 1],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "umask": mask,
        "uid": os.getuid(),
        "sockets": os.environ["MAILSTEAD_SOCKETS"],
    }), flush=True)
    signal.pause()
"""
FAILS = """
def main():
    raise RuntimeError("cannot go on")
"""


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(source: str, *words: str) -> "subprocess.Popen[str]":
        (tmp_path / "program.py").write_text(source)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
        command = [sys.executable, "-m", "listeners.launch", "--name", "test", *words, "--", "program"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def answer(port: int) -> bytes:
    """The pid of who took the connection; nothing when he died with it. ConnectionRefusedError when nobody would."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            return client.recv(20)
        except ConnectionResetError:
            return b""


def answers(port: int) -> bool:
    try:
        return bool(answer(port))
    except OSError:
        return False


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0"])
def test_a_bound_socket_is_told_to_be_tcp_and_only_of_its_family(where: str):
    if where.startswith("[") and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with launch.bind(where) as bound:
        # Without the protocol asyncio would not set TCP_NODELAY on what it accepts.
        assert bound.proto == socket.IPPROTO_TCP
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
        assert bound.get_inheritable()
        if bound.family == socket.AF_INET6:
            assert bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_a_unix_socket_is_bound_over_a_stale_one(tmp_path: Path):
    where = str(tmp_path / "x.sock")
    launch.bind(where).close()
    with launch.bind(where):
        assert os.stat(where).st_mode & 0o777 == 0o660


def test_a_program_gets_its_sockets_and_gives_up_the_rest(start: Start, free_port: int):
    process = start(TELLS, "--listen", f"echo=127.0.0.1:{free_port}")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["no_new_privs"] == "1"
    assert told["core"] == [0, 0]
    assert told["umask"] == 0o027
    assert told["sockets"].startswith("echo=")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_named_user_is_become(start: Start, tmp_path: Path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            pytest.skip("the temporary folder is not open to others")
    process = start(TELLS, "--user", "nobody")
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.skip("the project's folder is not open to others")
    assert json.loads(line)["uid"] != 0


def test_a_port_that_is_taken_is_named(start: Start, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start(TELLS, "--listen", f"echo={where}")
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.strip() == f"cannot listen on {where} (echo): Address already in use"


def test_a_program_that_fails_says_so_in_one_line_of_json(start: Start):
    process = start(FAILS)
    _, errors = process.communicate(timeout=20)
    (line,) = errors.splitlines()
    told = json.loads(line)
    assert process.returncode == 1
    assert (told["event"], told["program"], told["error"]) == ("died", "test", "RuntimeError: cannot go on")


def test_siblings_share_a_socket_and_the_death_of_one_refuses_nobody(start: Start, free_port: int):
    process = start(ANSWERS, "--listen", f"echo=127.0.0.1:{free_port}", "--count", "2")
    wait_until(lambda: answers(free_port), 10, "an answer")
    wait_until(lambda: len(children(process.pid)) == 2, 5, "two siblings")
    for _ in range(3):
        before = children(process.pid)
        os.kill(before[0], signal.SIGKILL)
        # Nobody is refused, though half of the siblings is dead or being born. The dead one may have taken one.
        assert sum(not answer(free_port) for _ in range(50)) <= 1
        wait_until(lambda before=before: len(set(children(process.pid)) - {before[0]}) == 2, 15, "a new sibling")


def test_term_ends_the_siblings_and_the_parent(start: Start, free_port: int):
    process = start(ANSWERS, "--listen", f"echo=127.0.0.1:{free_port}", "--count", "2")
    wait_until(lambda: answers(free_port), 10, "an answer")
    wait_until(lambda: len(children(process.pid)) == 2, 5, "two siblings")
    siblings = children(process.pid)
    process.terminate()
    assert process.wait(timeout=10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in siblings)


def test_siblings_end_with_a_parent_that_was_killed(start: Start, free_port: int):
    process = start(ANSWERS, "--listen", f"echo=127.0.0.1:{free_port}", "--count", "2")
    wait_until(lambda: answers(free_port), 10, "an answer")
    wait_until(lambda: len(children(process.pid)) == 2, 5, "two siblings")
    siblings = children(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not any(alive(pid) for pid in siblings), 5, "the end of the siblings")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_siblings_that_die_at_once_are_started_ever_more_slowly(start: Start):
    process = start("import os\ndef main():\n    os.write(1, b'x\\n'); os._exit(1)\n", "--count", "2")
    assert process.stdout is not None
    begun = time.monotonic()
    for _ in range(5):
        assert process.stdout.readline() == "x\n"
    # Two at once, then one after 0.5 s, 1 s, 1.5 s.
    assert time.monotonic() - begun >= 2.0


def test_a_command_outside_the_project_is_executed(start: Start, tmp_path: Path):
    command = [sys.executable, "-m", "listeners.launch", "--name", "test", "--exec", "--", "/bin/sh", "-c", "ulimit -c"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"
