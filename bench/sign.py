"""Signing alone: CPU a message of the caller (canonical form, hash) and of the sign process (keys), over its socket.

Promise: at most 1.5 ms CPU a 5 kB message with an RSA-2048 and an Ed25519 key, caller and sign process together.

    bench/sign.py [--messages 2000] [--waiting 10] [--sizes 5000,100000]
"""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measure import cpu_seconds, emit, memory_kib, tree
from targets import Bundle, parser, running_bundle

from mail.accounts.snapshot import Routing
from mail.dkim.order import Order
from mail.now import SystemClock
from mail.rpc import Client
from mail.submit.signing import Make, signatures


def letter(size: int) -> bytes:
    head = (
        b"From: Mailstead <mailstead@localhost>\r\nTo: bob@far.example\r\nSubject: bench\r\n"
        b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@localhost>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nUser-Agent: bench/1.0\r\n\r\n"
    )
    line = b"the quick brown fox jumps over the lazy dog, seventy-two octets a line.\r\n"
    return head + (line * (1 + size // len(line)))[: size - len(head) - 2] + b"\r\n"


def sign_of(bundle: Bundle) -> int:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in tree([bundle.pid])}
    return next(pid for pid, command in commands.items() if b"listeners.sign" in command)


async def measured(bundle: Bundle, messages: int, waiting: int, size: int) -> dict[str, float]:
    client = Client(bundle.folder / "run/sign.sock")
    routing = Routing(bundle.folder / "state/routing/routing.json", clock=SystemClock())
    octets = letter(size)
    left = iter(range(messages))

    async def look(make: Make) -> Order | None:
        return make(octets)

    async def caller() -> None:
        for _ in left:
            fields = await signatures(look, routing, client)
            assert fields.count(b"DKIM-Signature:") == 2

    left, warm = iter(range(20)), left
    await caller()
    left = warm
    sign = sign_of(bundle)
    theirs, ours, start = cpu_seconds([sign]), time.process_time(), time.monotonic()
    await asyncio.gather(*(caller() for _ in range(waiting)))
    seconds, ours, theirs = time.monotonic() - start, time.process_time() - ours, cpu_seconds([sign]) - theirs
    await client.close()
    return {
        "per_second": round(messages / seconds, 1),
        "caller_cpu_ms": round(1000 * ours / messages, 3),
        "sign_cpu_ms": round(1000 * theirs / messages, 3),
        "cpu_ms": round(1000 * (ours + theirs) / messages, 3),
        "sign_pss_mib": round(memory_kib(sign)["pss"] / 1024, 1),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--messages", type=int, default=2000)
    arguments.add_argument("--waiting", type=int, default=10)
    arguments.add_argument("--sizes", default="5000,100000")
    given = arguments.parse_args()
    with running_bundle(given.port_offset) as bundle:
        for size in map(int, given.sizes.split(",")):
            result = asyncio.run(measured(bundle, given.messages, given.waiting, size))
            emit(bench="sign", size=size, waiting=given.waiting, keys="rsa-2048 + ed25519", **result)


if __name__ == "__main__":
    main()
