"""`python -m workers.chores`: the worker for what may wait; each job is a module of its own."""

import threading

from mail.junk.words import message_numbers
from mail.runtime.stored import open_stored
from workers.dkim_keys import KeyWork
from workers.learn import LearnWork, learn
from workers.run import work
from workers.upkeep import UpkeepWork, tidy


def main() -> None:
    with open_stored("chores") as world:
        upkeep = UpkeepWork(world)
        world.log.info("started")
        learning = LearnWork(world, message_numbers)
        keys = KeyWork(world)
        jobs = {"upkeep": lambda: tidy(upkeep) + keys.tidy(), "learn": lambda: learn(learning)}
        work(world.settings.redis, "chores", jobs, threading.Event(), world.log)
        world.log.info("stopped")


if __name__ == "__main__":
    main()
