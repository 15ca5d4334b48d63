from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail.deliver.dial import Dialer, verifying_context
from mail.deliver.explain import Explainer, Step
from mail.deliver.hosts import Finder
from mail.deliver.plan import Plan, Routes, plan
from mail.deliver.sts import StsPolicies
from mail.dns.fake import FakeResolver
from mail.fetch import Fetcher
from mail.now import SetClock
from tests.deliver_sink import certified, running_sink
from tests.https_server import running_https
from tests.tls_way import NAME, SIGNED, STS, ZONE, policy, tlsa


class NoCache:
    async def find(self, domain: str) -> None:
        return None

    async def keep(self, *_: object, **__: object) -> None:
        pass

    note_failure = note_use = remove = keep


def explainer(
    zone, *, secure=(), failing=(), port=25, web=443, ca_file: Path | None = None, connect=False
) -> Explainer:
    resolver, trusted = FakeResolver(zone, secure=secure, failing=failing), verifying_context(ca_file and str(ca_file))
    fetcher = Fetcher(resolver, lambda ip: False, trusted, frozenset({"mta-sts.them.test"}), frozenset({web}))
    sts = StsPolicies(resolver, fetcher, NoCache(), SetClock(), web)
    return Explainer(Finder(resolver, "us.test", lambda ip: False), sts, Dialer("us.test"), connect, port)


async def told(steps: AsyncIterator[Step]) -> list[tuple[str, str]]:
    return [(step.step, step.says) async for step in steps]


def to(require_tls: bool | None = None) -> Plan:
    return plan("them.test", Routes(private_destinations=True), require_tls=require_tls)


async def test_the_way_is_told_step_by_step():
    assert await told(explainer(ZONE).smtp(to(), "them.test")) == [
        ("plan", "the mail exchangers of them.test"),
        ("host", f"1. {NAME} at 127.0.0.1"),
        ("mta-sts", "no MTA-STS policy: no-record"),
        ("demand", f"{NAME}: TLS where it is offered and works"),
    ]


async def test_where_nobody_may_have_the_mail_its_fate_is_the_last_step():
    steps = await told(explainer(ZONE).smtp(to(True), "them.test"))
    assert steps[-1][0] == "refused" and "fails for good: 554 5.7.30" in steps[-1][1]
    (_, private) = await told(explainer(ZONE).smtp(plan("them.test", Routes()), "them.test"))
    assert private[0] == "refused" and "550 5.4.4" in private[1]
    unknown = await told(explainer(ZONE, failing={"TXT _mta-sts.them.test"}).smtp(to(), "them.test"))
    assert "the mail waits: 451 4.4.3" in unknown[-1][1]


async def test_mail_that_has_a_fixed_way_is_asked_no_further():
    for routes, ours in ((Routes(smarthost=("relay.test", 25)), False), (Routes(), True)):
        assert len(await told(explainer({}).smtp(plan("them.test", routes, ours=ours), "them.test"))) == 1


async def test_hosts_are_talked_to_only_when_asked(tmp_path):
    certificate = certified(tmp_path, NAME)
    async with running_sink(tls=certificate.context) as sink:
        await told(explainer(ZONE, port=sink.port).smtp(to(), "them.test"))
        assert sink.connections == 0
        steps = await told(explainer(ZONE, port=sink.port, connect=True).smtp(to(), "them.test"))
        assert steps[-1][0] == "connection" and "TLSv1.3" in steps[-1][1] and "MAIL" not in sink.verbs()
    steps = await told(explainer(ZONE, port=sink.port, connect=True).smtp(to(), "them.test"))
    assert steps[-1][0] == "refused" and "no server could be reached" in steps[-1][1]


async def test_a_policy_is_told_with_the_hosts_it_names(tmp_path):
    certificate = certified(tmp_path, "mta-sts.them.test")
    zone = {**ZONE, **STS, "MX them.test": [f"10 {NAME}.", "20 other.test."], "A other.test": ["127.0.0.1"]}
    async with running_https(certificate.context, policy()) as server:
        asked = explainer(zone, web=server.port, ca_file=certificate.ca_file)
        steps = await told(asked.mtasts("them.test"))
    assert steps == [
        ("record", "_mta-sts.them.test has id 1"),
        ("policy", "MTA-STS policy 1, mode enforce, fetched"),
        ("host", f"{NAME} is among the hosts of the policy"),
        ("host", "other.test is not among the hosts of the policy"),
    ]


@pytest.mark.parametrize(("failing", "first"), [((), "no-record"), (("TXT _mta-sts.them.test",), "does not answer")])
async def test_that_there_is_no_policy_is_told_apart_from_not_knowing(failing, first):
    steps = await told(explainer(ZONE, failing=failing).mtasts("them.test"))
    assert first in steps[0][1] and len(steps) == 2


async def test_records_are_told_with_why_they_count_or_not(tmp_path):
    certified(tmp_path, NAME)
    good, zone = tlsa(tmp_path), dict(ZONE)
    zone[f"TLSA _25._tcp.{NAME}"] = [good, "1 1 1 ab"]
    steps = await told(explainer(zone, secure=SIGNED).dane("them.test"))
    assert [step[0] for step in steps] == ["host", "record", "record"]
    assert steps[1][1] == good and steps[2][1] == "1 1 1 ab (unusable)"
    assert "not signed" in (await told(explainer(zone).dane("them.test")))[0][1]
    assert "no TLSA records" in (await told(explainer(ZONE, secure=SIGNED).dane("them.test")))[0][1]
    failing = explainer(zone, secure=SIGNED, failing={f"TLSA _25._tcp.{NAME}"})
    assert "does not answer" in (await told(failing.dane("them.test")))[0][1]
    assert (await told(explainer({}).dane("them.test")))[0][0] == "refused"
