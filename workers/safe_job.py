"""RQ jobs that can only be ours.

RQ imports whatever function a job names: whoever can write to Redis would run code here, JSON or not (measured: an
`os.system` job ran). So the name is looked up in a fixed table, there is no instance, no argument, no callback
(security IN-1).
"""

from collections.abc import Callable, Mapping
from typing import Any

from rq.job import Job


class RefusedJob(Exception):
    """A job that is not in the table, or carries what ours never carry."""


class SafeJob(Job):
    """`table` is set once by the worker that runs."""

    table: Mapping[str, Callable[[], Any]] = {}

    @property
    def func(self) -> Callable[..., Any]:
        name = self.func_name
        if name is None or name not in self.table or self.instance is not None or self.args or self.kwargs:
            raise RefusedJob(f"job {self.id} asks for {name!r}")
        return self.table[name]

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None
