"""The process: alone on its mail, answering on its socket, ending in order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from listeners.keeper.service import alone
from mail.errors import Busy
from tests.bundle import ROOT
from tests.faults.keeper import KeeperFolder


def test_a_second_keeper_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "keeper.lock"
    with alone(lock), pytest.raises(Busy), alone(lock):
        raise AssertionError("two of them")
    with alone(lock):
        pass


def test_it_answers_ends_on_term_and_leaves_an_empty_log(tmp_path: Path) -> None:
    folder = KeeperFolder.make(tmp_path / "k")
    with folder.running() as keeper:
        client = folder.client()
        assert folder.deliver("one", client)
        status = client.call("status", {})
        assert (status["refusing"], status["messages"]) == ("", 1)
        generation = client.call("routing", {})["generation"]
        assert client.call("routing", {})["generation"] == generation
        assert client.call("space", {"size": 1}) == {"ok": True}
        environment = {**os.environ, "MAILSTEAD_SETTINGS": str(folder.folder / "mailstead.toml")}
        second = subprocess.run(
            [sys.executable, "-m", "listeners.keeper"], cwd=ROOT, env=environment, capture_output=True, check=False
        )
        assert second.returncode != 0 and b"another keeper" in second.stderr
        assert folder.deliver("two", client)
        client.close()
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(20) == 0
    wal = Path(folder.settings.database.removeprefix("sqlite:///") + "-wal")
    assert not folder.settings.keeper_socket.exists()
    assert not wal.exists() or wal.stat().st_size == 0
    assert folder.check() == 2
