"""What waits for whom: the jobs of a worker by destination, and which destination gets the next connection."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mail.deliver.attempt import Job
from mail.deliver.plan import Plan
from mail.queue.tls_result import TlsResult
from mail.store.queue import Claimed

RECIPIENTS_MAX = 100
CONNECTIONS_MAX = 10
LOCAL_AT_START = 4

# As many recipients may wait for one destination here; more of them stay unclaimed in the database.
WAITING_MAX = 200


@dataclass(slots=True)
class Destination:
    """One next hop. `limit`: how many connections it may have now; it grows with success (security §3.6). `tls`: what
    TLS came to there and no outcome has told yet.
    """

    plan: Plan
    domain: str
    jobs: deque[Job] = field(default_factory=deque)
    domains: set[str] = field(default_factory=set)
    waiting: int = 0
    connections: int = 0
    idle: int = 0
    limit: int = 1
    more: asyncio.Event = field(default_factory=asyncio.Event)
    tls: list[TlsResult] = field(default_factory=list)

    def put(self, job: Job) -> None:
        self.jobs.append(job)
        self.waiting += len(job.recipients)
        self.domains.add(job.first.domain)
        self.more.set()

    def put_back(self, recipients: tuple[Claimed, ...]) -> None:
        self.jobs.appendleft(Job(recipients))
        self.waiting += len(recipients)
        self.more.set()

    @property
    def full(self) -> bool:
        return self.waiting >= WAITING_MAX

    def take(self) -> Job:
        job = self.jobs.popleft()
        self.waiting -= len(job.recipients)
        return job

    def take_all(self) -> list[Claimed]:
        """Every recipient that waits."""
        taken = [one for job in self.jobs for one in job.recipients]
        self.jobs.clear()
        self.waiting = 0
        return taken

    def take_tls(self, verdicts: Sequence[object]) -> list[TlsResult]:
        """To be stored with these verdicts, if there are any: each session is told of once."""
        if not verdicts:
            return []
        taken, self.tls = self.tls, []
        return taken

    @property
    def wants_connection(self) -> bool:
        return len(self.jobs) > self.idle and self.connections < self.limit

    def went_well(self) -> None:
        self.limit = min(self.limit + 1, CONNECTIONS_MAX)

    def went_wrong(self) -> None:
        self.limit = 1


class Destinations:
    def __init__(self) -> None:
        self._by_name: dict[str, Destination] = {}

    def __iter__(self) -> Iterator[Destination]:
        return iter(self._by_name.values())

    def add(self, planned: Iterable[tuple[Plan, Claimed]]) -> None:
        """Sort claims into jobs: those of one message that go the same way travel together."""
        grouped: dict[tuple[str, int], list[Claimed]] = {}
        for plan, one in planned:
            if plan.name not in self._by_name:
                limit = LOCAL_AT_START if plan.local else 1
                self._by_name[plan.name] = Destination(plan, one.domain, limit=limit)
            grouped.setdefault((plan.name, one.queue_message_id), []).append(one)
        for (name, _), members in grouped.items():
            for first in range(0, len(members), RECIPIENTS_MAX):
                self._by_name[name].put(Job(tuple(members[first : first + RECIPIENTS_MAX])))

    def in_need(self) -> list[Destination]:
        """Those another connection would help, the one with the fewest first: a busy one must not starve the rest."""
        return sorted((one for one in self if one.wants_connection), key=lambda one: one.connections)

    @property
    def blocked(self) -> bool:
        """Everything goes to a single host, and enough waits for it."""
        return any(one.plan.fixed is not None and one.full for one in self)

    def full_domains(self) -> list[str]:
        """Domains of which enough waits here."""
        return [domain for one in self if one.full for domain in sorted(one.domains)]

    def forget_idle(self) -> None:
        """Let go of destinations nothing is there for; the next message makes them anew."""
        for name in [name for name, one in self._by_name.items() if not one.jobs and not one.connections]:
            del self._by_name[name]
