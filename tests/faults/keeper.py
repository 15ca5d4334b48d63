"""A keeper process alone, on a folder of its own, and a client that keeps a ledger."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.local import configure
from app.local.places import Places, sockets
from app.local.prepare import prepare
from mail.config import settings as config
from mail.config.settings import Settings
from mail.errors import MailError
from mail.imap.summary import summarize
from mail.rpc import BlockingClient
from mail.runtime.stored import open_store
from mail.store import mailboxes, messages
from mail.store.blobs import BlobStore
from mail.store.verify import Finding, findings
from tests.bundle import ROOT, children, kill, wait_until
from tests.faults.ledger import Ledger, entry_message

RECIPIENT = "mailstead@localhost"


@dataclass
class KeeperFolder:
    """What a keeper works on; it outlives the processes that die on it."""

    folder: Path
    settings: Settings
    ledger: Ledger
    wrapper: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, *, reserve: int = 0) -> "KeeperFolder":
        places = Places(folder)
        folder.mkdir(parents=True, exist_ok=True)
        places.make_run()
        for path in (places.log, places.state):
            path.mkdir(exist_ok=True)
        values = configure.values(places, smtp="127.0.0.1:1", deliver_to="", plaintext_login=False)
        values["free_space_reserve_bytes"] = reserve
        settings = configure.write(places, values, sockets(1000))
        prepare(places, settings)
        return cls(folder, config.load_file(places.settings), Ledger(folder / "ledger"))

    @contextlib.contextmanager
    def running(self, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A keeper that answers. Ended at the end of the block, if it lives."""
        known = {**os.environ, "MAILSTEAD_SETTINGS": str(self.folder / "mailstead.toml"), "MAILSTEAD_TEST_HOOKS": "1"}
        self.settings.keeper_socket.unlink(missing_ok=True)
        with open(self.folder / "log/keeper.log", "ab") as log:
            process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "listeners.keeper"],
                cwd=ROOT,
                env={**known, **self.environment, **environment},
                stderr=log,
            )
        try:
            wait_until(lambda: self.settings.keeper_socket.exists() or process.poll() is not None, 30, "keeper starts")
            yield process
        finally:
            # A wrapper ends with what it wraps.
            for pid in children(process.pid) if self.wrapper else [process.pid]:
                kill(pid, signal.SIGTERM)
            process.wait(30)

    def client(self) -> BlockingClient:
        return BlockingClient(self.settings.keeper_socket, timeout=30)

    def deliver(self, key: str, client: BlockingClient, size: int = 2000) -> bool:
        """Deliver one message and write down that it was acknowledged. False: it was refused or nobody answered."""
        octets = entry_message(0, "k", size).replace(b"k.0", key.encode())
        descriptor = os.memfd_create("test")
        try:
            os.write(descriptor, octets)
            arguments = {
                "cid": "0" * 16,
                "mail_from": "a@example.org",
                "received_at": 1,
                "size": len(octets),
                "summary": summarize(octets).as_json(),
                "author": "",
                "submitter": 0,
                "fields": [],
                "recipients": [{"address": RECIPIENT, "prefix": "X-Prefix: 1\r\n"}],
            }
            answer = client.call("deliver", arguments, [descriptor])
        except MailError:
            return False
        finally:
            os.close(descriptor)
        if "error" in answer["results"][0]:
            return False
        self.ledger.write(key, octets, "ok")
        return True

    def deliver_one(self, key: str, size: int = 2000) -> bool:
        """The same over a connection of its own."""
        with contextlib.closing(self.client()) as client:
            return self.deliver(key, client, size)

    def deliver_many(
        self, name: str, count: int, at_once: int, size: int = 2000, *, until_refused: bool = False
    ) -> list[bool]:
        """`count` messages by `at_once` clients; what each came to. `until_refused`: a client ends at its first no."""
        results: list[bool] = []
        numbers = iter(range(count))
        lock = threading.Lock()

        def work() -> None:
            client = self.client()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    break
                results.append(self.deliver(f"{name}-{number}", client, size))
                if until_refused and not results[-1]:
                    break
            client.close()

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def present(self) -> list[bytes]:
        """Every message of the account, whole, from the store itself."""
        store = open_store(self.settings, read_only=True)
        blobs = BlobStore(self.settings.blobs_dir)
        try:
            with store.read() as connection:
                (account_id,) = {1}
                box = mailboxes.find_mailbox(connection, account_id, "Inbox")
                assert box is not None
                uids = [row[0] for row in messages.index(connection, account_id, box.id)]
                rows = list(messages.contents(connection, account_id, box.id, uids))
            return [
                row.prefix + (row.octets if row.octets is not None else blobs.read(row.folder, row.blob_id))
                for row in rows
            ]
        finally:
            store.close()

    def findings(self) -> list[Finding]:
        store = open_store(self.settings, read_only=True)
        try:
            return list(findings(store, BlobStore(self.settings.blobs_dir)))
        finally:
            store.close()

    def check(self) -> int:
        """Nothing acknowledged is missing or changed, and every promise of the store holds. Returns how many were."""
        account = self.ledger.reconcile(self.present())
        assert account.missing == [] and account.changed == []
        assert self.findings() == []
        return account.acknowledged
