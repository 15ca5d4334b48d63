"""Redis killed, flushed, absent: nothing is lost and nothing waits more than ten seconds longer."""

import contextlib
import smtplib
import subprocess
import time
from pathlib import Path

import pytest

from tests.bundle import Bundle, kill, running_bundle, wait_until
from tests.faults.ledger import Ledger
from tests.faults.test_storm import deliver, entry_message_for, everything_in_inbox, imap, submit

pytestmark = pytest.mark.faults


def redis_pids(bundle: Bundle) -> list[int]:
    return [pid for pid, command in bundle.programs() if "redis-server" in command]


def arrived(bundle: Bundle, ledger: Ledger) -> bool:
    return not ledger.reconcile(everything_in_inbox(bundle)).missing


def test_mail_comes_in_and_goes_out_while_redis_is_stopped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with running_bundle(tmp_path / "bundle") as bundle:
        bundle.supervisorctl("stop", "redis")
        assert not redis_pids(bundle)
        deliver(bundle, ledger, 1)
        submit(bundle, ledger, 1)
        # The workers look into the database every five seconds, whoever woke them or did not.
        wait_until(lambda: arrived(bundle, ledger), 15, "submitted mail is back without Redis")
        bundle.supervisorctl("start", "redis")
        submit(bundle, ledger, 2)
        wait_until(lambda: arrived(bundle, ledger), 15, "submitted mail is back with Redis again")
        assert bundle.mailctl("verify")["findings"] == []


def test_an_idle_client_hears_of_mail_while_redis_is_stopped(tmp_path: Path) -> None:
    with running_bundle(tmp_path / "bundle") as bundle, imap(bundle) as client:
        client.select("INBOX")
        bundle.supervisorctl("stop", "redis")
        with smtplib.SMTP(*bundle.address("smtp"), timeout=30) as sender:
            sender.sendmail("storm@example.test", ["anyone@localhost"], entry_message_for("mx.idle"))

        def told() -> bool:
            client.noop()
            return bool(client.untagged_responses.get("EXISTS", [b"0"])[-1] == b"1")

        wait_until(told, 10, "EXISTS is announced by polling")


def test_flushed_and_killed_redis_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with running_bundle(tmp_path / "bundle") as bundle:
        for number in range(6):
            submit(bundle, ledger, number)
            for pid in redis_pids(bundle):
                kill(pid)
            with contextlib.suppress(OSError):
                for dump in (bundle.folder / "state/redis").glob("**/*.aof"):
                    dump.unlink()
        wait_until(lambda: arrived(bundle, ledger), 30, "all submitted mail is back")
        assert bundle.mailctl("verify")["findings"] == []


def test_a_stopped_deliver_worker_leaves_the_mail_in_the_queue(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with running_bundle(tmp_path / "bundle") as bundle:
        bundle.supervisorctl("stop", "deliver:*")
        submit(bundle, ledger, 1)
        assert len(bundle.mailctl("queue", "list")) == 10
        start = time.monotonic()
        bundle.supervisorctl("start", "deliver:*")
        wait_until(lambda: arrived(bundle, ledger), 20, f"the queue is delivered ({start})")


def test_mailctl_says_what_is_wrong_when_nothing_runs(tmp_path: Path) -> None:
    with running_bundle(tmp_path / "bundle") as bundle:
        pass
    with pytest.raises(subprocess.CalledProcessError) as failed:
        bundle.mailctl("account", "password", "nobody-here")
    assert "nobody-here" in str(failed.value.stderr) + str(failed.value.output)
