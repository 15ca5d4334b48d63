"""The keeper alone: messages decided and committed a second, and CPU a message, asked over its socket as port 25 does.

Promise: at most 0.9 ms CPU a 5 kB message in batches of ten, every sync in place.

    bench/keeper.py [--waiting 1,10,50] [--messages 2000] [--size 5000]
"""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measure import cpu_seconds, emit, tree
from targets import Bundle, parser, running_bundle

from mail.imap.summary import summarize
from mail.policy.facts import MessageFacts
from mail.rpc import Client


def memory_file(octets: bytes) -> int:
    descriptor = os.memfd_create("bench", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor


def keeper_of(bundle: Bundle) -> list[int]:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in tree([bundle.pid])}
    return [pid for pid, command in commands.items() if b"listeners.keeper" in command]


def letter(size: int) -> bytes:
    head = b"From: a@example.test\r\nTo: mailstead@localhost\r\nSubject: bench\r\nMessage-ID: <1@example.test>\r\n\r\n"
    line = b"the quick brown fox jumps over the lazy dog, seventy-two octets a line.\r\n"
    return (head + line * (1 + size // len(line)))[: size - 2] + b"\r\n"


async def measured(bundle: Bundle, waiting: int, messages: int, size: int) -> dict[str, float]:
    client = Client(bundle.folder / "run/keeper.sock")
    octets = letter(size)
    summary = summarize(octets).as_json()
    facts = MessageFacts(ip="192.0.2.1", mail_from="bench@example.test", author="bench@example.test").as_json()
    left = iter(range(messages))
    waits: list[float] = []

    async def sender() -> None:
        for _ in left:
            descriptor = memory_file(octets)
            start = time.monotonic()
            args = {
                "cid": "0123456789abcdef",
                "mail_from": "bench@example.test",
                "recipients": ["mailstead@localhost"],
                "received_at": 1_800_000_000_000,
                "size": len(octets),
                "smtputf8": False,
                "require_tls": None,
                "summary": summary,
                "facts": facts,
                "words": None,
                "fields": [("from", "bench@example.test")],
                "delivered_to": [],
                "report": "",
                "evaluation": None,
                "head": "Return-Path: <bench@example.test>\r\n",
                "tail": "Received: by localhost\r\n",
                "turn": "only",
            }
            reply = await client.call("receive", args, [descriptor])
            assert reply["reply"] is None
            waits.append(time.monotonic() - start)
            os.close(descriptor)

    keeper = keeper_of(bundle)
    cpu, start = cpu_seconds(keeper), time.monotonic()
    await asyncio.gather(*(sender() for _ in range(waiting)))
    seconds = time.monotonic() - start
    used = cpu_seconds(keeper) - cpu
    await client.close()
    waits.sort()
    return {
        "per_second": round(messages / seconds, 1),
        "cpu_ms": round(1000 * used / messages, 3),
        "p50_ms": round(1000 * waits[len(waits) // 2], 2),
        "p99_ms": round(1000 * waits[len(waits) * 99 // 100], 2),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--waiting", default="1,10,50")
    arguments.add_argument("--messages", type=int, default=2000)
    arguments.add_argument("--size", type=int, default=5000)
    given = arguments.parse_args()
    with running_bundle(given.port_offset) as bundle:
        for waiting in map(int, given.waiting.split(",")):
            result = asyncio.run(measured(bundle, waiting, given.messages, given.size))
            emit(bench="keeper", waiting=waiting, size=given.size, **result)


if __name__ == "__main__":
    main()
