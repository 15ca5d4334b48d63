"""`python -m workers.chores`: the worker for what may wait; each job is a module of its own."""

import threading

from mail.runtime.stored import open_stored
from workers.run import work
from workers.upkeep import UpkeepWork, tidy


def main() -> None:
    with open_stored("chores") as world:
        upkeep = UpkeepWork(world)
        world.log.info("started")
        work(world.settings.redis, "chores", {"upkeep": lambda: tidy(upkeep)}, threading.Event(), world.log)
        world.log.info("stopped")


if __name__ == "__main__":
    main()
