"""Learning the words of messages that were called junk or not junk since (mail.store.training), at the owner's leisure:
nobody who sets a flag waits for the words to be counted.
"""

import time

from mail.runtime.stored import StoredWorld
from mail.store import training
from mail.store.training import Hashes, Reader

# Other chores wait meanwhile; what is left then is taken up by the next job.
RUN_SECONDS = 120.0


class LearnWork:
    def __init__(self, world: StoredWorld, hashes: Hashes) -> None:
        self._world = world
        self._hashes = hashes

    def learn(self) -> int:
        """Learn all there is to learn, in short transactions; returns of how many messages."""
        world = self._world
        reader = Reader(world.blobs, self._hashes)
        deadline = time.monotonic() + RUN_SECONDS
        after, total = (0, ""), 0
        while time.monotonic() < deadline:
            with world.store.read() as connection:
                contents = training.load(connection, training.PENDING, after)
            if not contents:
                break
            # Onwards, not again from the start: what cannot be read must not stand in the way of the rest.
            after = contents[-1][:2]
            for account_id, words in reader.batches(contents):
                with world.store.write() as tx:
                    total += training.train(tx, account_id, words)
        else:
            world.bus.wake("learn")
        if reader.unreadable:
            world.log.error("learn-unreadable", blobs=reader.unreadable[:10], remedy="mailctl verify names the damage")
        if total:
            world.log.info("learnt", messages=total)
        return total


def learn(work: LearnWork) -> int:
    """The job itself, as `mail.runtime.jobs` names it."""
    return work.learn()
