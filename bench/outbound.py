"""Submission to queue to a sink: messages a second end to end, and CPU a message over all our processes.

Promise: at least 150/s end to end and at most 5 ms CPU a message.

    bench/outbound.py [--messages 1000] [--connections 1,10]
    bench/outbound.py --sink-port 12525 --target postfix=127.0.0.1:10587,pid=1+2,auth=bench@example.test:pass

The bundle is started with its deliveries going to a sink of this driver; end to end is from the first submission to
the last message at the sink. For a named target give `--sink-port`, where it relays to.
"""

import asyncio
import multiprocessing
import multiprocessing.sharedctypes
import socket
import time

from measure import cpu_seconds, emit, smtpload, spread
from targets import Target, chosen, parser

END = b"\r\n.\r\n"
EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Sink(asyncio.Protocol):
    """Takes everything, keeps nothing, counts messages."""

    def __init__(self, count: "multiprocessing.sharedctypes.Synchronized[int]") -> None:
        self.count = count
        self.pending = bytearray()
        self.in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, octets: bytes) -> None:
        self.pending += octets
        while self.take():
            pass

    def take(self) -> bool:
        """One message or one command out of what came; false when more must come first."""
        end = END if self.in_data else b"\r\n"
        at = self.pending.find(end)
        if at < 0:
            return False
        verb = bytes(self.pending[:4]).upper()
        del self.pending[: at + len(end)]
        if self.in_data:
            self.in_data = False
            self.count.value += 1
            self.transport.write(b"250 2.0.0 taken\r\n")
        elif verb == b"DATA":
            self.in_data = True
            self.transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self.transport.write(b"221 2.0.0 bye\r\n")
            self.transport.close()
        else:
            self.transport.write(EHLO if verb == b"EHLO" else b"250 2.0.0 fine\r\n")
        return True


def serve_sink(listener: socket.socket, count: "multiprocessing.sharedctypes.Synchronized[int]") -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Sink(count), sock=listener, backlog=1000)
        await server.serve_forever()

    asyncio.run(forever())


def measured(
    target: Target, connections: int, messages: int, count: "multiprocessing.sharedctypes.Synchronized[int]"
) -> dict[str, float]:
    before, start, already = cpu_seconds(target.pids), time.monotonic(), count.value
    auth = target.options.get("auth") or f"{target.options['user']}:{target.options['pw']}"
    result = smtpload(
        *("-H", target.host, "-p", str(target.port), "-c", str(connections), "-n", str(messages), "-s", "5000", "-S"),
        *("-F", auth.partition(":")[0], "-a", auth, "-T", target.options.get("to", "u%d@sink.test"), "-R", "50"),
    )
    last, last_at = count.value, time.monotonic()
    while last - already < result["ok"] and time.monotonic() - last_at < 20:
        time.sleep(0.02)
        if count.value != last:
            last, last_at = count.value, time.monotonic()
    delivered = last - already
    return {
        "accepted": result["ok"],
        "accepted_per_second": result.get("rate", 0.0),
        "delivered": delivered,
        "per_second": delivered / (last_at - start),
        "cpu_ms": 1000 * (cpu_seconds(target.pids) - before) / max(1, delivered),
        "error": result.get("last_error", ""),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--messages", type=int, default=1000)
    arguments.add_argument("--connections", default="1,10")
    arguments.add_argument("--sink-port", type=int, default=0, help="where a named target relays to")
    given = arguments.parse_args()
    count = multiprocessing.Value("l", 0, lock=False)
    listener = socket.create_server(("127.0.0.1", given.sink_port), backlog=1000)
    port = listener.getsockname()[1]
    sink = multiprocessing.Process(target=serve_sink, args=(listener, count), daemon=True)
    sink.start()
    with chosen(given, "submission", "--deliver-to", f"127.0.0.1:{port}") as targets:
        for connections in map(int, given.connections.split(",")):
            results: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
            for _ in range(given.runs):
                for target in targets:
                    results[target.name].append(measured(target, connections, given.messages, count))
            for name, runs in results.items():
                emit(
                    bench="outbound",
                    target=name,
                    connections=connections,
                    accepted=[run["accepted"] for run in runs],
                    delivered=[run["delivered"] for run in runs],
                    error=next((run["error"] for run in runs if run["error"]), ""),
                    accepted_per_second=spread(run["accepted_per_second"] for run in runs),
                    per_second=spread(run["per_second"] for run in runs),
                    cpu_ms=spread(run["cpu_ms"] for run in runs),
                )
    sink.terminate()


if __name__ == "__main__":
    main()
