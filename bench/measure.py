"""CPU and memory of process trees, medians, and one JSON line a result. Linux only."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


def _parent_and_ticks(pid: int) -> tuple[int, int]:
    """Parent and user+system ticks of a process, its reaped children included (proc(5))."""
    text = Path(f"/proc/{pid}/stat").read_text("latin-1")
    rest = text[text.rindex(")") + 2 :].split()
    return int(rest[1]), sum(int(ticks) for ticks in rest[11:15])


def tree(roots: Iterable[int]) -> list[int]:
    """The living roots and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(_parent_and_ticks(int(entry))[0], []).append(int(entry))
            except OSError:
                continue
    found: list[int] = []
    waiting = [root for root in roots if Path(f"/proc/{root}").exists()]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    total = 0
    for pid in tree(roots):
        try:
            total += _parent_and_ticks(pid)[1]
        except OSError:
            continue
    return total / TICKS


def memory_kib(pid: int) -> dict[str, int]:
    """Resident and proportional set size of one process in KiB."""
    sizes = {"rss": 0, "pss": 0}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name.lower() in sizes:
                sizes[name.lower()] = int(rest.split()[0])
    except OSError:
        pass
    return sizes


def pss_mib(roots: Iterable[int]) -> float:
    return round(sum(memory_kib(pid)["pss"] for pid in tree(roots)) / 1024, 1)


class Meter:
    """Wall and CPU time of a process set around a block: `.wall` and `.cpu` in seconds."""

    def __init__(self, roots: Iterable[int]) -> None:
        self.roots = list(roots)
        self.wall = self.cpu = 0.0

    def __enter__(self) -> "Meter":
        self._cpu, self._start = cpu_seconds(self.roots), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.monotonic() - self._start
        self.cpu = cpu_seconds(self.roots) - self._cpu


def timed(roots: Iterable[int], step: Callable[[], object], runs: int) -> dict[str, float]:
    """Median, least and most wall milliseconds of `step`, and the tree's median CPU milliseconds."""
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs):
        with Meter(roots) as meter:
            step()
        wall.append(meter.wall * 1000)
        cpu.append(meter.cpu * 1000)
    return {
        "ms": round(statistics.median(wall), 2),
        "min_ms": round(min(wall), 2),
        "max_ms": round(max(wall), 2),
        "cpu_ms": round(statistics.median(cpu), 2),
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    known = [value for value in values if value is not None]
    if not known:
        return {}
    return {"median": round(statistics.median(known), 3), "min": round(min(known), 3), "max": round(max(known), 3)}


def emit(**result: Any) -> None:
    print(json.dumps(result), flush=True)


def smtpload(*arguments: str) -> dict[str, Any]:
    """Run the load generator (compiled on first use into the temporary folder) and return its JSON line."""
    source = HERE / "smtpload.c"
    program = Path(tempfile.gettempdir()) / f"mailstead-smtpload-{os.getuid()}-{source.stat().st_mtime_ns:x}"
    if not program.exists():
        building = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-o", str(building), str(source)], check=True)
        building.rename(program)
    run = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    return (
        dict(json.loads(run.stdout)) if run.stdout.strip() else {"ok": 0, "failed": -1, "last_error": run.stderr[-200:]}
    )
