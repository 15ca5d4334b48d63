"""`./serve`, driven as people do. What it serves is proved in tests/interop."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from app.local import processes
from app.local.places import Places
from tests.bundle import ROOT, Bundle, children, free_offset, running_bundle, serve, wait_until


def healthy(bundle: Bundle) -> bool:
    with socket.create_connection(bundle.address("web"), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b" 200 " in client.recv(100)


def test_a_running_folder_says_so_and_shows_its_programs(tmp_path: Path):
    with running_bundle(tmp_path) as bundle:
        again = serve("start", "--dir", str(tmp_path), "--port-offset", str(free_offset()))
        assert again.returncode == 1
        assert again.stderr == f"Error: {tmp_path} is running already; `./serve stop` stops it\n"
        shown = serve("status", "--dir", str(tmp_path)).stdout
        for name in (
            "auth",
            "chores",
            "clock",
            "deliver",
            "imap",
            "keeper",
            "mx",
            "redis",
            "sign",
            "submission",
            "web",
        ):
            assert [line for line in shown.splitlines() if line.startswith(name) and "RUNNING" in line], name
        assert "MiB  proportional set size in all" in shown
        # The promise is that it lives well on a machine of 1 GB.
        pids = [bundle.supervisor_pid, *(pid for pid, _ in bundle.programs())]
        assert sum(map(processes.pss_kib, pids)) <= 400 * 1024
        assert serve("logs", "--dir", str(tmp_path), "keeper").stdout.count('"event":"started"') == 1
        taken = serve("start", "--dir", str(tmp_path / "x"), "--port-offset", str(bundle.address("smtp")[1] - 25))
        assert taken.returncode == 1 and "is taken by another program" in taken.stderr


def test_of_two_that_start_at_once_on_the_same_ports_one_is_told(tmp_path: Path):
    offset = str(free_offset())
    folders = [str(tmp_path / name) for name in ("a", "b")]
    starts = [
        subprocess.Popen([str(ROOT / "serve"), "start", "--dir", one, "--port-offset", offset], stderr=subprocess.PIPE)
        for one in folders
    ]
    told = [one.communicate(timeout=60)[1].decode() for one in starts]
    for one in folders:
        serve("stop", "--dir", one)
    assert sorted(one.returncode for one in starts) == [0, 1], told
    assert sum("choose another --port-offset" in one for one in told) == 1


def test_ready_json_has_what_was_printed(tmp_path: Path):
    with running_bundle(tmp_path) as bundle:
        keys = {"smtp", "submission", "submissions", "imap", "imaps", "web"}
        keys |= {"account", "password", "admin_password", "ca_file"}
        assert bundle.ready.keys() == keys
        assert (bundle.ready["account"], bundle.ready["password"]) == ("mailstead@localhost", "mailstead-local")
        assert healthy(bundle)
    assert not (tmp_path / "ready.json").exists()


def test_stop_leaves_nothing_running(tmp_path: Path):
    with running_bundle(tmp_path) as bundle:
        pids = [bundle.supervisor_pid, *(pid for pid, _ in bundle.programs())]
        assert len(pids) >= 15
    assert not any(processes.alive(pid) for pid in pids)
    stopped = serve("stop", "--dir", str(tmp_path))
    assert (stopped.returncode, stopped.stdout) == (0, "Not running.\n")
    status = serve("status", "--dir", str(tmp_path))
    assert status.returncode == 1 and "is not running" in status.stderr


def test_a_start_over_a_crashed_bundle_recovers(tmp_path: Path):
    with running_bundle(tmp_path) as bundle:
        offset = str(bundle.address("smtp")[1] - 25)
        pids = [pid for pid, _ in bundle.programs()]
        os.kill(bundle.supervisor_pid, signal.SIGKILL)
        # Some have not noticed yet: the next start ends what it finds, and stale files do not matter.
        again = serve("start", "--dir", str(tmp_path), "--port-offset", offset)
        assert again.returncode == 0, again.stdout + again.stderr
        assert not any(processes.alive(pid) for pid in pids)
        assert healthy(bundle)


def test_two_bundles_run_side_by_side(tmp_path: Path):
    with running_bundle(tmp_path / "one") as one, running_bundle(tmp_path / "two") as two:
        assert healthy(one) and healthy(two)
        assert one.ready["smtp"] != two.ready["smtp"]
    assert not processes.leftovers(Places(tmp_path / "one"))


def test_in_the_foreground_it_ends_on_ctrl_c(tmp_path: Path):
    command = [str(ROOT / "serve"), "--dir", str(tmp_path), "--port-offset", str(free_offset())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        wait_until((tmp_path / "ready.json").exists, 60, "ready.json")
        assert json.loads((tmp_path / "ready.json").read_text())["account"] == "mailstead@localhost"
        supervisor = processes.supervisor(Places(tmp_path))
        assert supervisor is not None and children(supervisor)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert output.endswith("Press Ctrl-C to stop.\nStopped.\n")
    assert not processes.alive(supervisor)
