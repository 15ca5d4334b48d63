"""Mail from strangers: messages accepted a second and CPU a message over all our processes.

Promise (2 cores, client on the same cores, every sync in place): 5 kB with 10 and 50 connections at least 675/s and
at most 1.6 ms CPU; one connection 250/s; 100 kB 300/s and 3 ms; one message a connection 400/s.

    bench/inbound.py [--runs 3] [--seconds 3] [--target postfix=127.0.0.1:10025,pid=1+2,to=bench@example.test]

Several targets alternate inside each run. CPU is charged until `--settle` seconds after the last message, so that
queues behind the listener are counted.
"""

import time

from measure import cpu_seconds, emit, smtpload, spread
from targets import Target, chosen, parser

# size, connections, messages a connection (no more than we say in LIMITS, RFC 9422)
CELLS = ((5000, 1, 100), (5000, 10, 100), (5000, 50, 100), (5000, 10, 1), (100_000, 10, 100))


def load(target: Target, size: int, connections: int, per_connection: int, messages: int) -> dict[str, float]:
    options = target.options
    return smtpload(
        *("-H", target.host, "-p", str(target.port), "-c", str(connections), "-n", str(messages)),
        *("-m", str(per_connection), "-s", str(size), "-T", options.get("to", "mailstead@localhost")),
        *("-F", options.get("frm", "load@example.test"), "-t", "60", "-S"),
    )


def measured(target: Target, cell: tuple[int, int, int], messages: int, settle: float) -> dict[str, float]:
    before = cpu_seconds(target.pids)
    result = load(target, *cell, messages)
    time.sleep(settle)
    if result["ok"]:
        result["cpu_ms"] = 1000 * (cpu_seconds(target.pids) - before) / result["ok"]
    return result


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--settle", type=float, default=1)
    given = arguments.parse_args()
    with chosen(given, "smtp") as targets:
        for cell in CELLS:
            counts = {}
            for target in targets:
                probe = load(target, *cell, max(60, 2 * cell[1]))
                counts[target.name] = max(40, int(probe.get("rate", 10) * given.seconds))
            results: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
            for _ in range(given.runs):
                for target in targets:
                    results[target.name].append(measured(target, cell, counts[target.name], given.settle))
            for name, runs in results.items():
                emit(
                    bench="inbound",
                    target=name,
                    size=cell[0],
                    connections=cell[1],
                    messages_a_connection=cell[2],
                    messages=counts[name],
                    failed=sum(run["failed"] for run in runs),
                    error=next((run["last_error"] for run in runs if run.get("last_error")), ""),
                    per_second=spread(run.get("rate") for run in runs),
                    cpu_ms=spread(run.get("cpu_ms") for run in runs),
                    p50_ms=spread(run.get("p50_ms") for run in runs),
                    p99_ms=spread(run.get("p99_ms") for run in runs),
                )


if __name__ == "__main__":
    main()
