from types import SimpleNamespace

import pytest

from mail.deliver.hosts import Host, Unroutable
from mail.deliver.plan import Plan
from mail.deliver.policies import TLSA_UNKNOWN, DomainPolicies, lookup_policies
from mail.deliver.sts import StsAnswer
from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed
from mail.mtasts.policy import Policy

HOST = Host("mx.test", ("192.0.2.1",), ("mx.test",), ("them.test",))
TLSA = "TLSA _25._tcp.mx.test"
RECORD = f"3 1 1 {'ab' * 32}"


class Sts:
    def __init__(self, answer: StsAnswer | None) -> None:
        self.answer = answer
        self.resolver = FakeResolver()

    async def policy_of(self, domain: str) -> StsAnswer:
        if self.answer is None:
            raise LookupFailed(domain)
        return self.answer


def found(resolver: FakeResolver, require_tls: bool | None = None) -> DomainPolicies:
    return DomainPolicies("them.test", StsAnswer(None, "none"), require_tls, resolver)


async def test_a_host_is_asked_for_its_records_where_they_may_be():
    resolver = FakeResolver({TLSA: [RECORD]}, secure={TLSA})
    assert (await found(resolver).demand(HOST)).records != ()
    assert (await found(resolver).demand(Host("mx.test", ("192.0.2.1",)))).records == ()
    assert resolver.asked == [TLSA]


async def test_records_nobody_can_say_refuse_the_host_unless_tls_is_not_required():
    resolver = FakeResolver(failing={TLSA})
    refused = await found(resolver, True).demand(HOST)
    assert refused.refusal == TLSA_UNKNOWN and not refused.unmet
    assert (await found(resolver, False).demand(HOST)).refusal == ""


async def test_a_policy_nobody_can_say_is_temporary_unless_tls_is_not_required():
    policy = StsAnswer(Policy("enforce", ("mx.test",), 1), "cached")
    assert (await lookup_policies(Sts(policy), Plan("p", "x"), "them.test")).sts == policy  # type: ignore[arg-type]
    with pytest.raises(Unroutable) as error:
        await lookup_policies(Sts(None), Plan("p", "x", require_tls=True), "them.test")  # type: ignore[arg-type]
    assert (error.value.reply.code, error.value.reply.enhanced) == (451, "4.4.3")
    lenient = await lookup_policies(Sts(None), Plan("p", "x", require_tls=False), "them.test")  # type: ignore[arg-type]
    assert lenient.sts.policy is None


def test_an_address_is_not_reported_on():
    assert found(FakeResolver()).reported
    address = DomainPolicies("[192.0.2.1]", StsAnswer(None, ""), None, SimpleNamespace())  # type: ignore[arg-type]
    assert not address.reported
