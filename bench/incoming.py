"""Mail from strangers with every check on: what a decision costs.

SPF, a DKIM RSA-2048 signature, DMARC, reverse DNS, reputation, a junk filter that knows 100,000 words, the trace, all
durable. Promise (2 cores, client on the same cores): 5 kB on 10 connections at least 350/s and at most 3 ms CPU over
all our processes; 100 kB 150/s and 6 ms; flat: with 1,000 unclassified messages of the same sender and `--fill`
(1,000,000 for the promise) messages stored, at least nine tenths of that rate.

    bench/incoming.py [--runs 3] [--seconds 3] [--fill 1000000]

The messages come from one signed domain in a DNS of our own; every connection has an address of its own network.
"""

import base64
import contextlib
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from measure import cpu_seconds, emit, smtpload, spread
from sqlalchemy import insert
from targets import ROOT, Bundle, parser, running_bundle

sys.path.insert(0, str(ROOT))

from mail.imap.summary import summarize
from mail.junk.words import message_numbers
from mail.store import accounts, mailboxes
from mail.store.engine import Store
from mail.store.schema import account, arrival, blob, blob_content, junk_total, junk_word, mailbox, message

DOMAIN = "signed.example"
SENDER = f"load@{DOMAIN}"
WORDS = 100_000
UNCLASSIFIED = 1000
# size, connections
CELLS = ((5000, 10), (100_000, 10))
# As many words as a language has, the common ones as common as there (Zipf): a message of 5 kB has about 300 of them.
SYLLABLES = [
    first + second for first in ("b", "d", "k", "l", "m", "n", "p", "r", "s", "t", "v", "") for second in "aeiou"
]
VOCABULARY = ["".join(syllables) for syllables in itertools.product(SYLLABLES, repeat=3)]
random.Random(5).shuffle(VOCABULARY)
VOCABULARY = VOCABULARY[:20_000]
FREQUENCY = list(itertools.accumulate(1 / rank for rank in range(1, len(VOCABULARY) + 1)))


def letters(folder: Path, key: bytes, size: int, count: int) -> Path:
    """Signed messages of about that size; the list of their paths for smtpload."""
    draw = random.Random(size)
    paths = []
    for number in range(count):
        text = ""
        while len(text) < size - 600:
            text += " ".join(draw.choices(VOCABULARY, cum_weights=FREQUENCY, k=11)) + "\r\n"
        octets = (
            f"From: Load <{SENDER}>\r\nTo: mailstead@localhost\r\nSubject: {draw.choice(VOCABULARY)} {number}\r\n"
            f"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{size}.{number}@{DOMAIN}>\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"
        ).encode()
        signature = dkim.sign(octets, b"s1", DOMAIN.encode(), key, canonicalize=(b"relaxed", b"relaxed"))
        path = folder / f"{size}-{number}.eml"
        path.write_bytes(signature + octets)
        paths.append(str(path))
    listed = folder / f"{size}.txt"
    listed.write_text("\n".join(paths) + "\n")
    return listed


def new_key() -> tuple[bytes, str]:
    """A private key (PEM), and the TXT record of its public half."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


@contextlib.contextmanager
def name_server(folder: Path, record: str) -> Iterator[str]:
    zone = {
        "": ["LOOPBACK"],
        DOMAIN: [{"TXT": "v=spf1 ip4:127.0.0.0/8 -all"}, {"MX": [10, f"mx.{DOMAIN}."]}],
        f"s1._domainkey.{DOMAIN}": [{"TXT": record}],
        f"_dmarc.{DOMAIN}": [{"TXT": f"v=DMARC1; p=reject; rua=mailto:reports@{DOMAIN}"}],
    }
    path = folder / "zone.json"
    path.write_text(json.dumps(zone))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "tests/dns_server.py"), str(path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()


def train(store: Store, account_id: int, samples: list[bytes]) -> None:
    """A filter that knows 100,000 words, the samples' among them as good ones."""
    draw = random.Random(1)
    known = {number for one in samples for number in message_numbers(one)}
    rows = [{"account_id": account_id, "word": word, "ham": draw.randint(5, 500), "spam": 1} for word in known]
    while len(rows) < WORDS:
        word = draw.getrandbits(64) - (1 << 63)
        rows.append({"account_id": account_id, "word": word, "ham": draw.randint(0, 9), "spam": draw.randint(0, 9)})
    with store.write() as tx:
        tx.execute(insert(junk_word), rows)
        tx.execute(insert(junk_total), {"account_id": account_id, "hams": 5000, "spams": 5000})


def fill(store: Store, account_id: int, count: int, sample: bytes) -> None:
    """Stored messages as they would lie there, none of them marked, many of the sender's among them."""
    summary = summarize(sample)
    with store.read() as connection:
        inbox = mailboxes.find_mailbox(connection, account_id, "Inbox")
    assert inbox is not None
    now = int(time.time() * 1000)
    for start in range(0, count, 20_000):
        ids = [f"{number:016x}{os.urandom(8).hex()}" for number in range(start, min(start + 20_000, count))]
        with store.write() as tx:
            tx.execute(
                insert(blob),
                [
                    {
                        "id": one,
                        "folder": "",
                        "size": 1000,
                        "sha256": os.urandom(32),
                        "created_at": now,
                        "envelope": summary.envelope,
                        "bodystructure": summary.bodystructure,
                        "structure": summary.structure,
                        "subject": "x",
                        "sender": SENDER,
                        "message_id": one,
                    }
                    for one in ids
                ],
            )
            tx.execute(insert(blob_content), [{"blob_id": one, "octets": sample[:1000]} for one in ids])
            tx.execute(
                insert(message),
                [
                    {
                        "account_id": account_id,
                        "mailbox_id": inbox.id,
                        "uid": inbox.uidnext + start + place,
                        "modseq": 2,
                        "received_at": now,
                        "saved_at": now,
                        "size": 1000,
                        "blob_id": one,
                    }
                    for place, one in enumerate(ids)
                ],
            )
            tx.execute(
                insert(arrival),
                [
                    {
                        "account_id": account_id,
                        "blob_id": one,
                        "mailbox": "Inbox",
                        "received_at": now,
                        "keys": b"k" * 88,
                    }
                    for one in ids
                ],
            )
    with store.write() as tx:
        tx.execute(
            mailbox.update()
            .where(mailbox.c.account_id == account_id, mailbox.c.id == inbox.id)
            .values(
                uidnext=inbox.uidnext + count,
                messages=inbox.messages + count,
                unseen=inbox.unseen + count,
                size=inbox.size + 1000 * count,
            )
        )
        tx.execute(account.update().where(account.c.id == account_id).values(size=account.c.size + 1000 * count))


def measured(bundle: Bundle, listed: Path, connections: int, messages: int, settle: float) -> dict[str, float]:
    target = bundle.target("smtp")
    before = cpu_seconds(target.pids)
    result = smtpload(
        *("-H", target.host, "-p", str(target.port), "-c", str(connections), "-n", str(messages), "-f", str(listed)),
        *("-T", "mailstead@localhost", "-F", SENDER, "-m", "100", "-t", "120", "-S"),
    )
    time.sleep(settle)
    if result["ok"]:
        result["cpu_ms"] = 1000 * (cpu_seconds(target.pids) - before) / result["ok"]
    return result


def run_cells(bundle: Bundle, lists: dict[int, Path], label: str, runs: int, seconds: float, settle: float) -> None:
    for size, connections in CELLS:
        probe = measured(bundle, lists[size], connections, 20 * connections, 0)
        count = max(10 * connections, int(probe.get("rate", 50) * seconds))
        results = [measured(bundle, lists[size], connections, count, settle) for _ in range(runs)]
        emit(
            bench="incoming",
            target="mailstead",
            stored=label,
            size=size,
            connections=connections,
            messages=count,
            failed=sum(run["failed"] for run in results),
            error=next((run["last_error"] for run in results if run.get("last_error")), ""),
            per_second=spread(run.get("rate") for run in results),
            cpu_ms=spread(run.get("cpu_ms") for run in results),
            p50_ms=spread(run.get("p50_ms") for run in results),
            p99_ms=spread(run.get("p99_ms") for run in results),
        )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--settle", type=float, default=1)
    arguments.add_argument("--fill", type=int, default=0, help="Messages stored before the second round; 0: no second.")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailstead-bench-") as name:
        folder = Path(name)
        pem, record = new_key()
        lists = {size: letters(folder, pem, size, 50 if size < 50_000 else 10) for size, _ in CELLS}
        samples = [path.read_bytes() for path in sorted(folder.glob("5000-*.eml"))]
        with (
            name_server(folder, record) as resolver,
            running_bundle(given.port_offset, "--resolver", resolver) as bundle,
        ):
            store = Store.open(f"sqlite:///{bundle.folder}/state/db/core.db", lock=bundle.folder / "state/db/core.lock")
            with store.read() as connection:
                account_id = accounts.find_account(connection, bundle.ready["account"]).id
            train(store, account_id, samples)
            run_cells(bundle, lists, "few", given.runs, given.seconds, given.settle)
            if given.fill:
                fill(store, account_id, given.fill, samples[0])
                run_cells(bundle, lists, f"{given.fill + UNCLASSIFIED}", given.runs, given.seconds, given.settle)
            store.close()


if __name__ == "__main__":
    main()
