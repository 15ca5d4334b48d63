"""From `./serve start` to ready, and the memory of the idle bundle, a figure for each process.

Promise: ready <= 4 s once installed; the whole bundle idle <= 400 MiB proportional set size.

    bench/startup.py [--runs 3]
"""

import time
from pathlib import Path

from measure import emit, memory_kib, spread, tree
from targets import parser, running_bundle


def name_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1").split()
    modules = [word for word in words if word.startswith(("listeners", "workers", "app"))]
    return " ".join(modules) or Path(words[0] if words else "?").name + " " + " ".join(words[1:3])


def main() -> None:
    given = parser(__doc__).parse_args()
    ready, totals = [], []
    processes: list[dict[str, object]] = []
    for _ in range(given.runs):
        start = time.monotonic()
        with running_bundle(given.port_offset) as bundle:
            ready.append(time.monotonic() - start)
            time.sleep(3)
            sizes = {pid: memory_kib(pid)["pss"] for pid in tree([bundle.pid])}
            processes = [{"pid": pid, "what": name_of(pid), "pss_kib": size} for pid, size in sizes.items()]
            totals.append(sum(sizes.values()) / 1024)
    emit(bench="startup", ready_seconds=spread(ready), pss_mib=spread(totals), processes=processes)


if __name__ == "__main__":
    main()
