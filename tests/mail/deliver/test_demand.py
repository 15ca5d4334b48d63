import pytest

from mail.dane import Tlsa, TlsaAnswer
from mail.deliver.demand import Check, Demand, demand, fixed_demand
from mail.deliver.hosts import Host
from mail.deliver.plan import Login, Plan
from mail.mtasts.policy import Policy

HOST = Host("mx.them.test", ("192.0.2.1",), ("mx.them.test",), ("them.test", "real.test"))
ENFORCE = Policy("enforce", ("mx.them.test",), 1)
TESTING = Policy("testing", ("mx.them.test",), 1)
NONE = Policy("none", (), 1)
ELSEWHERE = Policy("enforce", ("other.test",), 1)
USABLE = TlsaAnswer("base.test", (Tlsa(3, 1, 0, b"x"),))
UNUSABLE = TlsaAnswer("base.test", (Tlsa(1, 1, 0, b"x"),))


def of(sts: Policy | None = None, tlsa: TlsaAnswer | None = None, require_tls: bool | None = None) -> Demand:
    return demand("them.test", HOST, sts, tlsa, require_tls=require_tls)


@pytest.mark.parametrize(
    ("sts", "tlsa", "tls", "pkix", "dane", "policies"),
    [
        (None, None, False, Check.OFF, Check.OFF, ""),
        (NONE, None, False, Check.OFF, Check.OFF, ""),
        (TESTING, None, False, Check.WATCH, Check.OFF, ""),
        (ENFORCE, None, True, Check.MUST, Check.OFF, "MTA-STS"),
        (None, USABLE, True, Check.OFF, Check.MUST, "DANE"),
        (None, UNUSABLE, True, Check.OFF, Check.OFF, "DANE"),
        (TESTING, USABLE, True, Check.WATCH, Check.MUST, "DANE"),
        (ENFORCE, USABLE, True, Check.MUST, Check.MUST, "MTA-STS and DANE"),
    ],
)
def test_each_policy_demands_its_own_and_both_together_all(sts, tlsa, tls, pkix, dane, policies):
    found = of(sts, tlsa)
    assert (found.tls, found.pkix, found.dane, found.policies) == (tls, pkix, dane, policies)
    assert found.refusal == "" and not found.require_tls


@pytest.mark.parametrize(("sts", "tlsa"), [(None, None), (ENFORCE, None), (ELSEWHERE, USABLE), (ENFORCE, UNUSABLE)])
def test_tls_required_no_demands_nothing(sts, tlsa):
    found = of(sts, tlsa, require_tls=False)
    assert not found.tls and found.refusal == "" and Check.MUST not in (found.pkix, found.dane)
    assert "TLS-Required: No" in found.why and found.policies == ""


def test_a_host_that_is_not_the_policys_is_refused_when_it_is_enforced():
    assert "MTA-STS" in of(ELSEWHERE).refusal and of(ELSEWHERE, USABLE).refusal
    testing = of(Policy("testing", ("other.test",), 1))
    assert testing.refusal == "" and testing.mismatch


@pytest.mark.parametrize(
    ("sts", "tlsa", "unmet"),
    [(None, None, True), (TESTING, None, True), (None, UNUSABLE, True), (ENFORCE, None, False), (None, USABLE, False)],
)
def test_requiretls_needs_a_policy_that_proves(sts, tlsa, unmet):
    found = of(sts, tlsa, require_tls=True)
    assert (found.unmet, bool(found.refusal), found.require_tls) == (unmet, unmet, True)


def test_names_under_dane_are_those_of_the_rfc():
    """RFC 7672 §3.2.2 and §8.1."""
    found = of(None, USABLE)
    assert found.names == ("them.test", "real.test", "mx.them.test", "base.test") and found.server_name == "base.test"
    assert of(ENFORCE, USABLE).server_name == "mx.them.test" and of().names == ()


def test_every_demand_explains_itself():
    assert of().why == "TLS where it is offered and works"
    assert "DANE records at base.test" in of(ENFORCE, USABLE).why and "MTA-STS enforced" in of(ENFORCE, USABLE).why
    assert "none is usable" in of(None, UNUSABLE).why and "testing" in of(TESTING).why
    assert "REQUIRETLS" in of(ENFORCE, require_tls=True).why


def test_a_host_of_the_settings_proves_its_name_to_get_a_password_or_requiretls():
    host = Host("relay.test", ("192.0.2.1",))
    assert fixed_demand(Plan("p", "a test"), host).pkix is Check.OFF
    with_login = fixed_demand(Plan("p", "a test", login=Login("me", "x"), tls_required=True), host)
    assert (with_login.tls, with_login.pkix, with_login.require_tls) == (True, Check.MUST, False)
    required = fixed_demand(Plan("p", "a test", require_tls=True), host)
    assert (required.tls, required.pkix, required.require_tls) == (True, Check.MUST, True)
