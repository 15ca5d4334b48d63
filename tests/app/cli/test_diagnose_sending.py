"""mailctl diagnose smtp, mtasts and dane, against a zone file."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.commands import mailctl
from app.cli.diagnose_sending import SeenPolicies, is_ours, routes_of
from mail.config.settings import Settings
from mail.deliver.plan import Routes
from mail.errors import Invalid
from mail.now import SetClock
from mail.store import accounts, sts_policies
from mail.store.changes import changing

pytestmark = pytest.mark.usefixtures("no_host")

ZONE: dict[str, Any] = {
    "them.example": [{"MX": ["10", "mx.them.example"]}, {"SECURE": "yes"}],
    "mx.them.example": [{"A": "1.1.1.1"}, {"SECURE": "yes"}],
    "_25._tcp.mx.them.example": [{"TLSA": f"3 1 1 {'ab' * 32}"}, {"SECURE": "yes"}],
    "inside.example": [{"A": "10.0.0.1"}],
    "_mta-sts.them.example": [{"TXT": "v=STSv1; id=7;"}],
    "mta-sts.them.example": [{"A": "127.0.0.1"}],
}


@pytest.fixture
def zone(tmp_path: Path) -> str:
    path = tmp_path / "zone.yaml"
    path.write_text(yaml.safe_dump(ZONE))
    return str(path)


def run(*words: str) -> Result:
    return CliRunner().invoke(mailctl, ["diagnose", *words])


def test_a_delivery_is_told_step_by_step_to_people_and_to_programs(zone: str):
    shown = run("smtp", "Them.Example", "--zone", zone)
    assert shown.exit_code == 0 and shown.output.startswith("plan        the mail exchangers of them.example\n")
    assert "a certificate one of them matches" in shown.output and "private or local address" in shown.output
    steps = json.loads(run("smtp", "them.example", "--zone", zone, "--require-tls", "yes", "--json").output)
    assert [one["step"] for one in steps] == ["plan", "host", "mta-sts", "demand"]
    assert steps[0]["facts"]["require_tls"] is True and steps[-1]["facts"]["dane"] == "must"
    lenient = json.loads(run("smtp", "them.example", "--zone", zone, "--require-tls", "no", "--json").output)
    assert lenient[-1]["facts"]["dane"] == "watch"
    assert "550 5.4.4" in run("smtp", "inside.example", "--zone", zone).output


def test_policies_and_records_are_told_alone(zone: str):
    assert "has id 7" in run("mtasts", "them.example", "--zone", zone).output
    (host, record) = json.loads(run("dane", "them.example", "--zone", zone, "--json").output)
    assert host["facts"]["asked"] == ["_25._tcp.mx.them.example"] and record["facts"]["usable"] is True


def test_what_is_no_domain_and_a_world_without_dns_are_refused(zone: str):
    assert run("smtp", "no domain", "--zone", zone).exit_code != 0
    for command in ("smtp", "mtasts", "dane"):
        assert isinstance(run(command, "them.example").exception, Invalid)


async def test_the_cache_is_looked_at_and_never_changed(sqlite_store):
    cache = SeenPolicies(sqlite_store)
    await cache.keep("a.test", "1", "x", now=1, expires_at=9, refresh_at=5)
    assert await cache.find("a.test") is None and await SeenPolicies(None).find("a.test") is None
    with sqlite_store.write() as tx:
        sts_policies.keep(tx, "a.test", "1", "x", now=1, expires_at=9, refresh_at=5)
    await cache.note_failure("a.test", "x", 1, refresh_at=2)
    await cache.remove("a.test")
    await cache.note_use("a.test", 5)
    found = await cache.find("a.test")
    assert found is not None and (found.used_at, found.failed_at) == (1, 0)


def test_the_ways_out_are_those_of_the_settings_and_of_our_domains(sqlite_store):
    assert routes_of(None) == Routes()
    settings = Settings(hostname="us.test", smarthost="relay.test", private_destinations=True)
    assert routes_of(settings) == Routes(smarthost=("relay.test", 587), private_destinations=True)
    with changing(sqlite_store, None, clock=SetClock()) as changes:
        accounts.add_domain(changes.tx, "us.test", changes.now)
    assert is_ours(sqlite_store, "us.test") and not is_ours(sqlite_store, "them.test") and not is_ours(None, "us.test")
