"""Kill -9 of anything, again and again, under load from every door: nothing acknowledged is lost.

The clients are the standard library's. `--long` kills 10,000 times; the ordinary run 300.
"""

import contextlib
import imaplib
import os
import random
import signal
import smtplib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.bundle import Bundle, kill, running_bundle, wait_until
from tests.faults.ledger import Ledger, entry_message

pytestmark = pytest.mark.faults

GONE = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error)


@contextlib.contextmanager
def imap(bundle: Bundle) -> Iterator[imaplib.IMAP4_SSL]:
    client = imaplib.IMAP4_SSL(*bundle.address("imaps"), ssl_context=bundle.tls, timeout=30)
    try:
        client.login(bundle.ready["account"], bundle.ready["password"])
        yield client
    finally:
        with contextlib.suppress(*GONE):
            client.shutdown()


# Where nothing is acknowledged, nothing can be lost.
KILLS_A_MESSAGE = 4


def deliver(bundle: Bundle, ledger: Ledger, number: int) -> None:
    """Messages by port 25, until the connection breaks."""
    with smtplib.SMTP(*bundle.address("smtp"), timeout=30) as client:
        for step in range(20):
            key = f"mx.{number}-{step}"
            message = entry_message_for(key)
            client.sendmail("storm@example.test", ["anyone@localhost"], message)
            ledger.write(key, message, "250")


def submit(bundle: Bundle, ledger: Ledger, number: int) -> None:
    """Messages by port 465 to an outside name: through the queue and back."""
    account = bundle.ready["account"]
    with smtplib.SMTP_SSL(*bundle.address("submissions"), context=bundle.tls, timeout=30) as client:
        client.login(account, bundle.ready["password"])
        for step in range(10):
            key = f"sub.{number}-{step}"
            message = entry_message_for(key).replace(b"storm@example.test", account.encode())
            client.sendmail(account, ["friend@outside.example"], message)
            ledger.write(key, message, "250")


def append(bundle: Bundle, ledger: Ledger, number: int) -> None:
    with imap(bundle) as client:
        for step in range(20):
            key = f"app.{number}-{step}"
            message = entry_message_for(key)
            if client.append("INBOX", None, None, message)[0] == "OK":
                ledger.write(key, message, "OK")


def entry_message_for(key: str) -> bytes:
    way, _, number = key.partition(".")
    return entry_message(0, way).replace(f"{way}.0".encode(), key.encode()).replace(b"storm 0", number.encode())


def keep_on(step: Callable[[int], None], stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        with contextlib.suppress(*GONE):
            step(number)


def is_carried(ledger: Ledger, kills: int) -> bool:
    """Did enough get through for so many kills to have met it."""
    return len(ledger.entries) * KILLS_A_MESSAGE >= kills


def storm(bundle: Bundle, ledger: Ledger, kills: int) -> int:
    """Kill -9 a random process every 50 to 400 ms. Returns how many were killed.

    On a machine that has more to do it waits for the load.
    """
    choice = random.Random(kills)
    killed = 0
    while killed < kills:
        victims = [pid for pid, _ in bundle.programs()]
        if victims and kill(choice.choice(victims)):
            killed += 1
            wait_until(partial(is_carried, ledger, killed), 60, "the load gets through")
        time.sleep(choice.uniform(0.05, 0.4))
    return killed


def everything_in_inbox(bundle: Bundle) -> list[bytes]:
    with imap(bundle) as client:
        client.select("INBOX", readonly=True)
        found = client.search(None, "ALL")[1][0].split()
        messages: list[bytes] = []
        for first in range(0, len(found), 200):
            wanted = b",".join(found[first : first + 200]).decode()
            parts = client.fetch(wanted, "(BODY.PEEK[])")[1]
            messages += [part[1] for part in parts if isinstance(part, tuple)]
        return messages


def queue_is_empty(bundle: Bundle) -> bool:
    """Nothing waits any more. What was deferred in the storm is tried now, what was held as poison let go."""
    try:
        rows = bundle.mailctl("queue", "list", "-n", "100000")
        for state, verb in (("due", "retry"), ("held", "release")):
            numbers = [str(row["id"]) for row in rows if row["state"] == state][:500]
            if numbers:
                bundle.mailctl("queue", verb, *numbers)
    except subprocess.CalledProcessError:
        return False
    return not rows


def run_storm(folder: Path, kills: int) -> None:
    ledger = Ledger(folder / "ledger")
    with running_bundle(folder / "bundle") as bundle:
        stop = threading.Event()
        doors = [deliver, deliver, submit, append]
        threads = [
            threading.Thread(target=keep_on, args=(lambda n, d=door, i=i: d(bundle, ledger, 1000 * n + i), stop))
            for i, door in enumerate(doors)
        ]
        for thread in threads:
            thread.start()
        try:
            storm(bundle, ledger, kills)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        wait_until(lambda: queue_is_empty(bundle), 120, "the queue is empty after the storm")
        account = ledger.reconcile(everything_in_inbox(bundle))
        findings = bundle.mailctl("verify")
    print(f"kills {kills}, acknowledged {account.acknowledged}, duplicates {account.duplicates}")
    assert account.missing == []
    assert account.changed == []
    assert [finding for finding in findings["findings"] if finding["kind"] != "stray-blob"] == []


def test_nothing_acknowledged_is_lost_in_a_storm_of_kills(tmp_path: Path) -> None:
    run_storm(tmp_path, 300)


@pytest.mark.long
def test_nothing_acknowledged_is_lost_in_a_long_storm_of_kills(tmp_path: Path) -> None:
    run_storm(tmp_path, int(os.environ.get("MAILSTEAD_KILLS", "10000")))


def test_a_bundle_starts_again_over_one_that_was_killed_whole(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    folder = tmp_path / "bundle"
    with running_bundle(folder) as bundle:
        deliver(bundle, ledger, 1)
        pids = [bundle.supervisor_pid, *(pid for pid, _ in bundle.programs())]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        with running_bundle(folder) as again:
            deliver(again, ledger, 2)
            account = ledger.reconcile(everything_in_inbox(again))
            assert account.missing == [] and account.changed == []
            assert again.mailctl("verify")["findings"] == []
