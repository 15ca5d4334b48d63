"""Stopping a bundle in order: who takes work first, then the inner services, then Redis (security §3.10).

supervisord does the same by itself on TERM, but looks at its children once a second, one program after the other.
"""

import time
import xmlrpc.client
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import yaml
from supervisor.xmlrpc import SupervisorTransport

from app.local.configure import ROLE
from app.local.places import Places

# Programs of this priority and above ask others for their work, and stop together before them.
ASKING = 30
ENDED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
LOOK_SECONDS = 0.03


def waves() -> Iterator[list[str]]:
    rows: list[dict[str, Any]] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())["supervisor_programs"]
    rows.sort(key=lambda row: -min(row["priority"], ASKING))
    for _, members in groupby(rows, key=lambda row: min(row["priority"], ASKING)):
        yield [row["name"] for row in members]


def stop_programs(places: Places, seconds: float) -> None:
    """Wave after wave, each waited for. OSError or xmlrpc.client.Error when supervisord does not play along."""
    transport = SupervisorTransport(None, None, f"unix://{places.run / 'supervisor.sock'}")
    until = time.monotonic() + seconds
    with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
        for wave in waves():
            for name in wave:
                try:
                    server.supervisor.stopProcess(name, False)
                except xmlrpc.client.Fault:
                    # It does not run.
                    continue
            while time.monotonic() < until:
                found = server.supervisor.getAllProcessInfo()
                assert isinstance(found, list)
                if all(one["statename"] in ENDED for one in found if one["name"] in wave):
                    break
                time.sleep(LOOK_SECONDS)
