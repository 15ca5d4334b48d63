"""IMAP on a mailbox of 10,000 messages of 5 kB: milliseconds a command, rates, notification, memory a connection.

Promise: LOGIN+SELECT+FETCH FLAGS <= 35 ms; ENVELOPE BODYSTRUCTURE of all <= 100 ms; 1,000 bodies <= 30 ms; SEARCH
SUBJECT <= 25 ms; STORE on 1,000 <= 25 ms; COPY of 1,000 <= 35 ms; APPEND >= 350/s on one connection and >= 800/s on
ten; IDLE notification <= 5 ms; an idle connection <= 20 KiB; repeated LOGIN >= 600/s.

    bench/imap.py [--count 10000] [--what open,envelope] [--target dovecot=127.0.0.1:10143,pid=1,user=bench,pw=pass]
"""

import itertools
import os
import re
import threading
import time
from collections.abc import Callable

from imap_client import Imap, message
from measure import cpu_seconds, emit, pss_mib, spread, timed
from targets import Target, chosen, parser

APPENDED = [message(1_000_000 + number) for number in range(50)]


def say(target: Target, what: str, **figures: object) -> None:
    emit(bench="imap", target=target.name, what=what, **figures)


def fill(target: Target, count: int, runs: int) -> None:
    """The mailbox the other measures read: pipelined appends with non-synchronizing literals."""
    client = Imap(target)
    try:
        client.command("CREATE Big")
    except RuntimeError:
        pass
    match = re.search(rb"MESSAGES (\d+)", client.command("STATUS Big (MESSAGES)"))
    assert match
    have = int(match.group(1))
    start, cpu = time.monotonic(), cpu_seconds(target.pids)
    for first in range(have, count, 50):
        tags, parts = [], []
        for number in range(first, min(first + 50, count)):
            octets = message(number)
            tags.append(client.tag())
            parts.append(tags[-1] + b" APPEND Big {%d+}\r\n%s\r\n" % (len(octets), octets))
        client.socket.sendall(b"".join(parts))
        client.wait(tags[-1])
    made = count - have
    if made > 0:
        rate = round(made / (time.monotonic() - start), 1)
        say(target, "fill", per_second=rate, cpu_ms=round(1000 * (cpu_seconds(target.pids) - cpu) / made, 3))
    client.close()


def append(target: Target, count: int, runs: int) -> None:
    for connections, messages in ((1, 300), (10, 1000)):
        rates, cpus = [], []
        for _ in range(runs):
            clients = [Imap(target) for _ in range(connections)]
            start, cpu = time.monotonic(), cpu_seconds(target.pids)

            def add(client: Imap, messages: int = messages // connections) -> None:
                for number in range(messages):
                    client.append("INBOX", APPENDED[number % 50])

            threads = [threading.Thread(target=add, args=(client,)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates.append(messages / (time.monotonic() - start))
            cpus.append(1000 * (cpu_seconds(target.pids) - cpu) / messages)
            for client in clients:
                client.close()
        say(target, f"APPEND, {connections} connections", per_second=spread(rates), cpu_ms=spread(cpus))


def opening(target: Target, count: int, runs: int) -> None:
    def whole() -> None:
        client = Imap(target)
        client.command("SELECT Big")
        assert client.command("FETCH 1:* (FLAGS)").count(b"FETCH (") >= count
        client.socket.close()

    say(target, "LOGIN+SELECT+FETCH FLAGS, first", **timed(target.pids, whole, 1))
    say(target, "LOGIN+SELECT+FETCH FLAGS", **timed(target.pids, whole, runs))
    client = Imap(target)
    client.command("SELECT Big")
    say(target, "FETCH FLAGS", **timed(target.pids, lambda: client.command("FETCH 1:* (FLAGS)"), runs))
    client.close()


def in_big(what: str, command: str) -> Callable[[Target, int, int], None]:
    def measure(target: Target, count: int, runs: int) -> None:
        client = Imap(target)
        client.command("SELECT Big")
        say(target, what + ", first", **timed(target.pids, lambda: client.command(command), 1))
        say(target, what, **timed(target.pids, lambda: client.command(command), runs))
        client.close()

    return measure


def store(target: Target, count: int, runs: int) -> None:
    client = Imap(target)
    client.command("SELECT Big")
    signs = itertools.cycle("+-")
    many = timed(target.pids, lambda: client.command(f"STORE 1:1000 {next(signs)}FLAGS (\\Flagged)"), 2 * runs)
    say(target, "STORE 1:1000", **many)

    def singly() -> None:
        sign = next(signs)
        for number in range(1, 301):
            client.command(f"STORE {number} {sign}FLAGS (\\Answered)")

    say(target, "300 single STOREs", **timed(target.pids, singly, runs))
    client.close()


def copy(target: Target, count: int, runs: int) -> None:
    client = Imap(target)
    client.command("SELECT Big")
    names = [f"Copy{os.getpid()}x{number}" for number in range(runs)]
    for name in names:
        client.command(f"CREATE {name}")
    waiting = iter(names)
    say(target, "COPY 1:1000", **timed(target.pids, lambda: client.command(f"COPY 1:1000 {next(waiting)}"), runs))
    for name in names:
        client.command(f"DELETE {name}")
    client.close()


def idle(target: Target, count: int, runs: int) -> None:
    """From an APPEND sent on one connection to EXISTS seen by another in IDLE."""
    watcher, writer = Imap(target), Imap(target)
    watcher.command("SELECT INBOX")
    watcher.send("IDLE")
    while not watcher.line().startswith(b"+"):
        pass
    waits = []
    for number in range(30):
        octets = message(2_000_000 + number, 1000)
        start = time.monotonic()
        tag = writer.tag()
        writer.socket.sendall(tag + b" APPEND INBOX {%d+}\r\n%s\r\n" % (len(octets), octets))
        while b"EXISTS" not in watcher.line():
            pass
        waits.append(1000 * (time.monotonic() - start))
        writer.wait(tag)
        time.sleep(0.02)
    say(target, "IDLE notification", ms=spread(waits))
    watcher.socket.close()
    writer.close()


def login(target: Target, count: int, runs: int) -> None:
    def fifty() -> None:
        for _ in range(50):
            Imap(target).close()

    figures = timed(target.pids, fifty, runs)
    per_second, cpu = round(50_000 / figures["ms"], 1), round(figures["cpu_ms"] / 50, 3)
    say(target, "LOGIN+LOGOUT", per_second=per_second, cpu_ms=cpu)


def connections(target: Target, count: int, runs: int) -> None:
    before = pss_mib(target.pids)
    clients = [Imap(target) for _ in range(500)]
    for client in clients:
        client.command("SELECT INBOX")
        client.send("IDLE")
    time.sleep(1)
    after = pss_mib(target.pids)
    say(target, "500 idle connections", pss_kib_each=round((after - before) * 1024 / len(clients), 1))
    for client in clients:
        client.socket.close()


MEASURES: dict[str, Callable[[Target, int, int], None]] = {
    "login": login,
    "append": append,
    "idle": idle,
    "fill": fill,
    "open": opening,
    "envelope": in_big(
        "FETCH ENVELOPE BODYSTRUCTURE", "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
    ),
    "bodies": in_big("FETCH 1:1000 BODY.PEEK[]", "FETCH 1:1000 (BODY.PEEK[])"),
    "subject": in_big("SEARCH SUBJECT", "SEARCH SUBJECT school"),
    "since": in_big("SEARCH UNSEEN SINCE", "SEARCH UNSEEN SINCE 15-Jan-2024"),
    "text": in_big("SEARCH TEXT absent", "SEARCH TEXT zzabsentzz"),
    "store": store,
    "copy": copy,
    "connections": connections,
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--what", default=",".join(MEASURES))
    given = arguments.parse_args()
    with chosen(given, "imap") as targets:
        for what in given.what.split(","):
            for target in targets:
                MEASURES[what](target, given.count, given.runs)


if __name__ == "__main__":
    main()
