"""The jobs there are, by name: where each lives and which worker queue runs it.

Names are strings so that a flow can wake delivery without importing a door; a test resolves every one of them.
"""

from typing import NamedTuple


class Job(NamedTuple):
    function: str
    queue: str
    # How often the clock runs it though nobody woke it; a lost wake-up costs this much, never mail.
    every_seconds: float
    # After one was put in, wake-ups are gathered this long: a busy port wakes at every commit.
    gather_seconds: float = 0.1


JOBS: dict[str, Job] = {
    "deliver": Job("workers.deliver:drain", "deliver", 10.0),
    "learn": Job("workers.learn:learn", "chores", 30.0, gather_seconds=2.0),
    "sts": Job("workers.deliver:refresh", "deliver", 600.0),
    "upkeep": Job("workers.upkeep:tidy", "chores", 600.0),
}
