import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.local import processes
from app.local.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path)
    made.make_run()
    return made


def sleeper(places: Places, source: str = "import time; time.sleep(60)") -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "MAILSTEAD_SETTINGS": str(places.settings)}
    return subprocess.Popen([sys.executable, "-c", source], env=environment, stdout=subprocess.PIPE)


def test_only_processes_of_this_bundle_are_its_leftovers(places: Places, tmp_path: Path):
    ours, others = sleeper(places), sleeper(Places(tmp_path / "other"))
    try:
        assert processes.leftovers(places) == [ours.pid]
    finally:
        for process in (ours, others):
            process.kill()
            process.communicate()
    assert processes.leftovers(places) == []


def test_who_does_not_heed_term_is_killed(places: Places):
    source = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with sleeper(places, source) as process:
        assert process.stdout is not None
        process.stdout.readline()
        processes.end([process.pid], 0.2)
        assert process.wait(timeout=5) == -signal.SIGKILL


def test_a_pid_of_another_program_is_no_supervisor(places: Places):
    assert processes.supervisor(places) is None
    places.supervisor_pid.write_text(f"{os.getpid()}\n")
    assert processes.supervisor(places) is None
    places.supervisor_pid.write_text("nonsense")
    assert processes.supervisor(places) is None


def test_a_zombie_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.alive(process.pid)
    process.wait()
    assert not processes.alive(process.pid)
    assert processes.alive(os.getpid())


def test_waiting_for_one_that_stays_ends():
    assert processes.wait_gone(os.getpid(), 0.05) is False


def test_a_port_answers_when_somebody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        assert processes.answers("", where)
    assert not processes.answers("", where)
    assert not processes.answers("smtp", where)


def test_a_unix_socket_answers_when_somebody_listens(tmp_path: Path):
    path = tmp_path / "x.sock"
    assert not processes.socket_answers(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert processes.socket_answers(path)
    assert not processes.socket_answers(path)


def test_memory_is_counted_in_kibibytes():
    assert 1_000 < processes.pss_kib(os.getpid()) < 10_000_000
    assert processes.pss_kib(1 << 22) == 0
