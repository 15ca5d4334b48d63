import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail.deliver.sts import BACK_OFF_MS, DAY_MS, HOUR_MS, Failure, StsAnswer, StsPolicies
from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed
from mail.fetch import Fetcher
from mail.now import SetClock
from mail.store.engine import Store
from tests.deliver_sink import certified
from tests.https_server import HttpsServer, answered, running_https
from workers.sts import StoredPolicies

ENFORCE = b"version: STSv1\nmode: enforce\nmx: mx.them.test\nmax_age: 604800\n"
NONE = b"version: STSv1\nmode: none\nmax_age: 604800\n"
RECORD = "TXT _mta-sts.them.test"


class World:
    """A domain with its record and its policy server, and our cache of it."""

    def __init__(self, store: Store, clock: SetClock, server: HttpsServer, ca_file: Path) -> None:
        self.store, self.clock, self.server = store, clock, server
        self.zone = {"A mta-sts.them.test": ["127.0.0.1"], RECORD: ["v=STSv1; id=1;"]}
        self.failing: set[str] = set()
        self.ca_file = ca_file

    def policies(self) -> StsPolicies:
        resolver = FakeResolver(self.zone, failing=self.failing)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        ports = frozenset({self.server.port})
        fetcher = Fetcher(resolver, lambda ip: False, context, frozenset({"mta-sts.them.test"}), ports)
        return StsPolicies(resolver, fetcher, StoredPolicies(self.store), self.clock, self.server.port, lambda: 0.5)

    async def ask(self) -> StsAnswer:
        return await self.policies().policy_of("them.test")

    async def mode(self) -> str:
        found = (await self.ask()).policy
        return found.mode if found else "no policy"

    @property
    def fetches(self) -> int:
        return self.server.connections


@pytest.fixture
async def world(store: Store, clock: SetClock, tmp_path: Path) -> AsyncIterator[World]:
    certificate = certified(tmp_path, "mta-sts.them.test")
    async with running_https(certificate.context, ENFORCE) as server:
        yield World(store, clock, server, certificate.ca_file)


async def test_a_policy_is_fetched_once_while_its_id_is_the_same(world):
    """Features B10, check 3."""
    first = await world.ask()
    assert first.policy is not None and first.policy.mx == ("mx.them.test",) and first.why.endswith("fetched")
    world.clock.move(3599)
    again = await world.ask()
    assert again.policy == first.policy and again.why.endswith("cached") and world.fetches == 1


async def test_another_id_is_another_policy(world):
    assert await world.mode() == "enforce"
    world.zone[RECORD] = ["v=STSv1; id=2;"]
    world.server.answer = ENFORCE.replace(b"enforce", b"testing")
    assert await world.mode() == "testing" and world.fetches == 2


async def test_a_domain_without_a_record_has_no_policy_and_nothing_is_fetched(world):
    del world.zone[RECORD]
    answer = await world.ask()
    assert (answer.policy, answer.failure, world.fetches) == (None, None, 0)
    assert (await world.policies().policy_of("[192.0.2.1]")).policy is None


async def test_a_record_that_cannot_be_read_is_no_policy_and_told_of(world):
    world.zone[RECORD] = ["v=STSv1; id=1;", "v=STSv1; id=2;"]
    answer = await world.ask()
    assert answer == StsAnswer(
        None, "no MTA-STS policy: multiple-records", Failure("sts-policy-fetch-error", "multiple-records")
    )


async def test_a_cached_policy_outlives_its_record_until_its_life_ends(world):
    """Features B10, check 2."""
    assert await world.mode() == "enforce"
    del world.zone[RECORD]
    world.clock.move(604_799)
    answer = await world.ask()
    assert answer.policy is not None and answer.policy.enforced
    assert answer.failure == Failure("sts-policy-fetch-error", "no-record+fallback-to-cached-policy")
    world.clock.move(2)
    assert await world.mode() == "no policy" and world.fetches == 1


async def test_a_dns_that_does_not_answer_is_temporary_unless_a_policy_is_known(world):
    world.failing.add(RECORD)
    with pytest.raises(LookupFailed):
        await world.ask()
    world.failing.clear()
    await world.ask()
    world.failing.add(RECORD)
    assert await world.mode() == "enforce"


@pytest.mark.parametrize(
    ("octets", "failure"),
    [
        (answered(b"", "Location: https://mta-sts.them.test/x", status=302), "sts-policy-fetch-error fetch-redirect"),
        (answered(b"gone", status=404), "sts-policy-fetch-error fetch-status-404"),
        (answered(ENFORCE, media_type="text/html"), "sts-policy-fetch-error fetch-type"),
        (answered(b"x" * 70_000), "sts-policy-fetch-error fetch-size"),
        (answered(b"nonsense"), "sts-policy-invalid syntax"),
    ],
)
async def test_what_is_no_clean_answer_is_a_failure_and_waits_five_minutes(world, octets, failure):
    """Features B10, check 4, and security MA-4."""
    world.server.answer = lambda path: octets
    answer = await world.ask()
    assert answer.policy is None and answer.failure == Failure(*failure.split(" "))
    world.server.answer = ENFORCE
    again = await world.ask()
    assert again.failure is not None and again.failure.reason.endswith("-back-off") and world.fetches == 1
    world.clock.move(BACK_OFF_MS / 1000)
    assert await world.mode() == "enforce" and world.fetches == 2


async def test_a_failing_server_leaves_the_old_policy_and_its_new_id_is_tried_again(world):
    """Security MA-4: policy failure keeps the old policy."""
    await world.ask()
    world.zone[RECORD] = ["v=STSv1; id=2;"]
    world.server.answer = lambda path: answered(b"", status=500)
    answer = await world.ask()
    assert answer.policy is not None and answer.policy.enforced
    assert answer.failure == Failure("sts-policy-fetch-error", "fetch-status-500+fallback-to-cached-policy")
    world.server.answer = ENFORCE.replace(b"enforce", b"testing")
    assert await world.mode() == "enforce", "not so soon"
    world.clock.move(BACK_OFF_MS / 1000)
    assert await world.mode() == "testing"


async def test_a_certificate_nobody_vouches_for_is_told_of_as_such(world, tmp_path):
    (tmp_path / "other").mkdir()
    world.ca_file = certified(tmp_path / "other", "mta-sts.them.test").ca_file
    answer = await world.ask()
    assert answer.policy is None and answer.failure == Failure("sts-webpki-invalid", "fetch-tls")


async def test_a_policy_server_on_our_own_network_is_not_asked(world):
    """Security MA-4 and OU-1."""
    world.zone["A mta-sts.inside.test"] = ["127.0.0.1"]
    world.zone["TXT _mta-sts.inside.test"] = ["v=STSv1; id=1;"]
    answer = await world.policies().policy_of("inside.test")
    assert answer.failure == Failure("sts-policy-fetch-error", "fetch-address") and world.fetches == 0


async def test_a_withdrawn_policy_is_forgotten_with_its_record(world):
    world.server.answer = NONE
    assert await world.mode() == "none"
    del world.zone[RECORD]
    assert await world.mode() == "no policy"
    with world.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sts_policy").scalar_one() == 0


async def test_a_refresh_fetches_whatever_the_id_and_lengthens_the_life(world):
    await world.ask()
    known = await world.policies().cache.find("them.test")
    world.clock.move(20 * HOUR_MS / 1000)
    assert await world.policies().refresh(known) and world.fetches == 2
    fresh = await world.policies().cache.find("them.test")
    assert fresh.expires_at - known.expires_at == 20 * HOUR_MS
    world.server.answer = lambda path: answered(b"", status=500)
    assert not await world.policies().refresh(fresh)
    assert (await world.policies().cache.find("them.test")).policy == fresh.policy
    del world.zone[RECORD]
    assert not await world.policies().refresh(fresh) and await world.mode() == "enforce"


async def test_a_delivery_makes_a_policy_count_as_used(world):
    await world.ask()
    world.clock.move(2 * DAY_MS / 1000)
    await world.ask()
    assert (await world.policies().cache.find("them.test")).used_at == world.clock.wall_ms()
