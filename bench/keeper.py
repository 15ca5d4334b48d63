"""The keeper alone: deliveries committed a second and CPU a message, asked over its socket as the listener does.

Promise: at most 0.6 ms CPU a 5 kB message in batches of ten, every sync in place.

    bench/keeper.py [--waiting 1,10,50] [--messages 2000]
"""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from imap_client import message
from measure import cpu_seconds, emit
from targets import Bundle, parser, running_bundle

from mail.imap.summary import summarize
from mail.rpc import Client


def memory_file(octets: bytes) -> int:
    descriptor = os.memfd_create("bench", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor


async def measured(bundle: Bundle, waiting: int, messages: int) -> dict[str, float]:
    client = Client(bundle.folder / "run/keeper.sock")
    octets = message(7)
    summary = summarize(octets).as_json()
    left = iter(range(messages))
    waits: list[float] = []

    async def sender() -> None:
        for _ in left:
            descriptor = memory_file(octets)
            start = time.monotonic()
            args = {
                "cid": "0123456789abcdef",
                "mail_from": "bench@example.test",
                "received_at": 1_800_000_000_000,
                "size": len(octets),
                "summary": summary,
                "recipients": [{"address": "mailstead@localhost", "prefix": "Return-Path: <bench@example.test>\r\n"}],
            }
            reply = await client.call("deliver", args, [descriptor])
            assert reply["results"][0]["ok"]
            waits.append(time.monotonic() - start)
            os.close(descriptor)

    keeper = list(bundle.programs("keeper"))
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
    given = arguments.parse_args()
    with running_bundle(given.port_offset) as bundle:
        for waiting in map(int, given.waiting.split(",")):
            emit(bench="keeper", waiting=waiting, **asyncio.run(measured(bundle, waiting, given.messages)))


if __name__ == "__main__":
    main()
