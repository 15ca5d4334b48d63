"""Features B09 and B10, their checks on hosts, TLS and MTA-STS: from the queue to a sink on loopback and back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deliver_sink import NOT_TLS, Certified, certified
from tests.https_server import answered, running_https
from tests.post_office import PostOffice
from tests.tls_way import NAME, REQUIRETLS, SIGNED, STS, Way, policy, sinking, tlsa

pytestmark = pytest.mark.usefixtures("no_lingering")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificate")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certified:
    """The sink's, and the authority that our side trusts."""
    return certified(folder, NAME)


@pytest.fixture(scope="module")
def policy_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("policy"), "mta-sts.them.test")


@pytest.fixture
async def way(office: PostOffice, certificate: Certified, policy_certificate: Certified) -> AsyncIterator[Way]:
    async with running_https(policy_certificate.context, policy()) as policies:
        yield Way(office, certificate, policies, policy_certificate.ca_file)


BOTH_FINE = [("no-policy-found", False, "", "", 1), ("no-policy-found", True, "", "", 1)]


async def test_without_a_policy_tls_is_used_and_not_looked_at(way, certificate):
    way.trusted = None
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.encrypted == [True]
    assert way.told() == BOTH_FINE


async def test_broken_tls_is_delivered_in_clear_by_a_second_connection(way):
    """Features B09, check 4, first half."""
    async with sinking(None, "STARTTLS", STARTTLS=NOT_TLS) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.connections == 2 and len(sink.messages) == 1
    assert [one[2:] for one in way.told()] == [("validation-failure", "tls-record-header-error", 1)] * 2


async def test_a_server_without_starttls_is_told_of_and_no_session_failed(way):
    """Features-1 §11, check 1."""
    async with sinking(None) as sink:
        assert (await way.send(sink)).state == "done"
    assert [one[2:] for one in way.told()] == [("starttls-not-supported", "", 0)] * 2


async def test_with_mta_sts_enforced_broken_tls_waits(way):
    """Features B09, check 4, second half; security TL-3."""
    way.zone |= STS
    async with sinking(None, "STARTTLS", STARTTLS=NOT_TLS) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "MTA-STS" in row.last_text and row.last_enhanced == "4.7.5"
        assert sink.connections == 1 and sink.messages == []


async def test_with_mta_sts_enforced_a_stripped_starttls_waits_and_is_told_of(way):
    """Security TL-3."""
    way.zone |= STS
    async with sinking(None) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "MTA-STS requires TLS" in row.last_text and sink.verbs() == ["EHLO"]
    assert ("sts", False, "starttls-not-supported", "", 0) in way.told()


async def test_with_mta_sts_enforced_a_good_certificate_delivers(way, certificate):
    way.zone |= STS
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.encrypted == [True]
    (attempt,) = way.office.attempts(row.id)
    assert attempt["tls"].startswith("TLSv1.3 ") and attempt["tls"].endswith(", MTA-STS")
    (sts, _host) = sorted(way.results(), key=lambda one: one.is_host)
    assert (sts.policy_type, sts.policy_domain, sts.mx_patterns) == ("sts", "them.test", (NAME,))
    assert sts.policy[:2] == ("version: STSv1", "mode: enforce") and sts.sessions == 1


async def test_with_mta_sts_enforced_a_certificate_nobody_vouches_for_waits(way, certificate):
    way.zone |= STS
    way.trusted = None
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "due" and row.last_text.startswith("policy forbids to send there now: mx.them.test")
        assert sink.messages == [] and "MAIL" not in sink.verbs()
    (sts,) = [one for one in way.told() if not one[1]]
    assert sts[:3] == ("sts", False, "certificate-not-trusted") and sts[4] == 1


async def test_with_mta_sts_enforced_a_certificate_for_another_name_waits(way, tmp_path):
    way.zone |= STS
    other = certified(tmp_path, "other.test")
    way.trusted = other.ca_file
    async with sinking(other) as sink:
        assert (await way.send(sink)).state == "due"
    assert ("sts", False, "certificate-host-mismatch", "", 1) in way.told()


async def test_a_policy_that_names_another_host_waits_and_says_so(way, certificate):
    """Features B10, check 1."""
    way.zone |= STS
    way.policies.answer = policy(mx="other.them.test")
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "MTA-STS" in row.last_text and "not among the hosts" in row.last_text
        assert sink.connections == 0
    assert way.told() == [("sts", False, "validation-failure", "mtasts-policy-mx-mismatch", 1)]


async def test_of_several_exchangers_only_those_of_the_policy_are_asked(way, certificate):
    way.zone |= STS
    way.zone |= {"MX them.test": ["5 evil.test.", f"10 {NAME}."], "A evil.test": ["127.0.0.1"]}
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.connections == 1
    assert way.office.attempts(row.id)[0]["host"] == NAME


async def test_in_testing_mode_everything_is_delivered_and_told_of(way, certificate):
    """Features-1 §11, check 2."""
    way.zone |= STS
    way.trusted = None
    way.policies.answer = policy("testing")
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.encrypted[-1] is True and len(sink.messages) == 1
    (sts,) = [one for one in way.results() if not one.is_host]
    assert (sts.policy_type, sts.result_type) == ("sts", "certificate-not-trusted") and "mode: testing" in sts.policy


async def test_a_cached_policy_binds_when_its_record_and_its_server_are_gone(way):
    """Features B10, check 2, to the very end of the way."""
    way.zone |= STS
    async with sinking(None) as sink:
        await way.send(sink)
        del way.zone["TXT _mta-sts.them.test"]
        way.policies.answer = lambda path: answered(b"", status=404)
        row = await way.send(sink)
        assert row.state == "due" and "MTA-STS" in row.last_text
        way.office.clock.move(86_401)
        await way.again(sink)
        assert way.office.row(row.id).state == "done"


async def test_same_id_no_second_fetch(way, certificate):
    """Features B10, check 3."""
    way.zone |= STS
    async with sinking(certificate) as sink:
        for _ in range(3):
            await way.send(sink)
            way.office.clock.move(1000)
        assert len(sink.messages) == 3 and len(way.policies.requests) == 1


async def test_a_policy_server_that_redirects_has_no_policy_and_mail_goes_as_without(way):
    """Features B10, check 4."""
    way.zone |= STS
    way.policies.answer = lambda path: answered(b"", "Location: https://mta-sts.them.test/x", status=301)
    async with sinking(None) as sink:
        assert (await way.send(sink)).state == "done"
    assert ("no-policy-found", False, "sts-policy-fetch-error", "fetch-redirect", 0) in way.told()


async def test_a_dns_that_does_not_say_whether_there_is_a_policy_is_temporary(way):
    way.failing.add("TXT _mta-sts.them.test")
    async with sinking(None) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "MTA-STS" in row.last_text and sink.connections == 0


@pytest.mark.parametrize("usage", [2, 3])
async def test_a_certificate_that_dane_matches_delivers_whoever_vouches(way, certificate, folder, usage):
    """Features B09, check 5, second half."""
    way.trusted = None
    way.zone[f"TLSA _25._tcp.{NAME}"] = [f"3 1 1 {'00' * 32}", tlsa(folder, usage)]
    way.secure |= SIGNED
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and sink.encrypted == [True] and sink.connections == 1
    assert way.office.attempts(row.id)[0]["tls"].endswith(", DANE")
    (host,) = [one for one in way.results() if one.is_host]
    assert (host.policy_type, host.policy_domain, host.result_type) == ("tlsa", NAME, "") and len(host.policy) == 2


@pytest.mark.parametrize("usage", [2, 3])
async def test_a_certificate_that_dane_does_not_match_gets_no_mail(way, certificate, usage):
    """Features B09, check 5, first half."""
    way.zone[f"TLSA _25._tcp.{NAME}"] = [f"{usage} 1 1 {'00' * 32}"]
    way.secure |= SIGNED
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "DANE: no TLSA record matches" in row.last_text
        assert sink.messages == [] and sink.verbs() == ["EHLO", "STARTTLS"]
    assert ("tlsa", True, "validation-failure", "dane-no-match", 1) in way.told()


async def test_dane_forbids_to_go_in_clear(way, folder):
    way.zone[f"TLSA _25._tcp.{NAME}"] = [tlsa(folder)]
    way.secure |= SIGNED
    async with sinking(None) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "DANE requires TLS" in row.last_text and sink.connections == 1


@pytest.mark.parametrize("unsigned", ["MX them.test", f"A {NAME}", f"TLSA _25._tcp.{NAME}"])
async def test_what_nobody_signed_is_no_dane(way, certificate, unsigned):
    way.zone[f"TLSA _25._tcp.{NAME}"] = [f"3 1 1 {'00' * 32}"]
    way.secure |= SIGNED - {unsigned}
    async with sinking(certificate) as sink:
        assert (await way.send(sink)).state == "done"


async def test_records_that_are_all_unusable_ask_for_tls_of_any_kind(way, certificate):
    way.zone[f"TLSA _25._tcp.{NAME}"] = [f"1 1 1 {'00' * 32}"]
    way.secure |= SIGNED
    way.trusted = None
    async with sinking(certificate) as sink:
        assert (await way.send(sink)).state == "done"
    assert ("tlsa", True, "tlsa-invalid", "all-unusable-records+ignored", 0) in way.told()
    async with sinking(None) as sink:
        assert (await way.send(sink)).state == "due"


async def test_records_that_cannot_be_had_now_may_forbid_and_so_mail_waits(way, certificate):
    way.secure |= SIGNED
    way.failing.add(f"TLSA _25._tcp.{NAME}")
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "due" and "TLSA" in row.last_text and sink.connections == 0
    assert ("no-policy-found", True, "dnssec-invalid", "tlsa-lookup-failed", 1) in way.told()


async def test_dane_and_mta_sts_must_both_hold(way, certificate, folder):
    way.zone |= STS | {f"TLSA _25._tcp.{NAME}": [tlsa(folder)]}
    way.secure |= SIGNED
    async with sinking(certificate) as sink:
        row = await way.send(sink)
        assert row.state == "done" and way.office.attempts(row.id)[0]["tls"].endswith(", MTA-STS and DANE")
        way.trusted = None
        assert (await way.send(sink)).state == "due"
        way.trusted = certificate.ca_file
        way.zone[f"TLSA _25._tcp.{NAME}"] = [f"3 1 1 {'00' * 32}"]
        assert (await way.send(sink)).state == "due"


async def test_requiretls_goes_where_a_policy_vouches_and_the_server_offers_it(way, certificate, folder):
    way.zone |= STS
    async with sinking(certificate, *REQUIRETLS) as sink:
        assert (await way.send(sink, require_tls=True)).state == "done"
        assert any(command.startswith("MAIL ") and command.endswith(" REQUIRETLS") for command in sink.commands)
        way.zone[f"TLSA _25._tcp.{NAME}"] = [tlsa(folder)]
        way.secure |= SIGNED
        way.zone.pop("TXT _mta-sts.them.test")
        assert (await way.send(sink, require_tls=True)).state == "done"


async def test_requiretls_that_no_server_offers_fails_for_good(way, certificate):
    """Features B09, check 6."""
    way.zone |= STS
    async with sinking(certificate) as sink:
        row = await way.send(sink, require_tls=True)
        assert row.state == "failed" and (row.last_code, row.last_enhanced) == (554, "5.7.30")
        assert sink.messages == []
    (notice,) = way.office.inbox()
    assert b"Status: 5.7.30" in notice and b"REQUIRETLS" in notice


async def test_requiretls_without_any_policy_fails_for_good_and_asks_nobody(way, certificate):
    async with sinking(certificate, *REQUIRETLS) as sink:
        row = await way.send(sink, require_tls=True)
        assert row.state == "failed" and row.last_enhanced == "5.7.30" and sink.connections == 0


async def test_requiretls_at_a_server_that_is_down_waits(way):
    way.zone |= STS
    async with sinking(None, greeting="421 4.3.2 later") as sink:
        assert (await way.send(sink, require_tls=True)).state == "due"


async def test_tls_required_no_passes_over_every_policy_and_still_tells(way, certificate):
    way.zone |= STS | {f"TLSA _25._tcp.{NAME}": [f"3 1 1 {'00' * 32}"]}
    way.secure |= SIGNED
    way.trusted = None
    async with sinking(certificate) as sink:
        row = await way.send(sink, require_tls=False)
        assert row.state == "done" and sink.encrypted[-1] is True
        assert not way.office.attempts(row.id)[0]["tls"].endswith("DANE")
    assert b"mailstead_deliver_tls_not_required_total 1" in way.office.metrics.text()
    told = way.told()
    assert ("tlsa", True, "validation-failure", "dane-no-match", 1) in told
    assert any(one[:3] == ("sts", False, "certificate-not-trusted") for one in told)
    async with sinking(None, "STARTTLS", STARTTLS=NOT_TLS) as sink:
        assert (await way.send(sink, require_tls=False)).state == "done"


async def test_a_domain_that_takes_no_mail_is_told_at_once(way):
    """Features B09, check 8."""
    way.zone["MX them.test"] = ["0 ."]
    async with sinking(None) as sink:
        row = await way.send(sink)
        assert row.state == "failed" and row.last_enhanced == "5.1.10" and sink.connections == 0
    assert b"null MX" in way.office.inbox()[0]


async def test_one_session_of_many_messages_is_counted_once(way, certificate, monkeypatch):
    monkeypatch.setattr("workers.destinations.CONNECTIONS_MAX", 1)
    async with sinking(certificate) as sink:
        for _ in range(5):
            await way.office.submit("b@them.test")
        await way.again(sink)
        assert len(sink.messages) == 5
        assert all(one.sessions == sink.connections for one in way.results())


async def test_words_before_tls_fail_the_attempt_under_any_policy(way):
    """Security TL-2."""
    async with sinking(None, "STARTTLS", STARTTLS=b"220 go\r\n250-SIZE\r\n250 evil\r\n") as sink:
        row = await way.send(sink)
        assert row.state == "due" and sink.messages == [] and sink.connections == 1


async def test_who_greylists_is_asked_again_at_the_very_same_address(way):
    """Features B09: the second attempt; the third begins anew."""
    way.zone |= {"MX them.test": ["10 mx.test."], "A mx.test": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}
    async with sinking(None, RCPT="451 4.7.1 greylisted") as sink:
        row = await way.send(sink)
        way.zone["A mx.test"] = ["127.0.0.3", "127.0.0.2", "127.0.0.1"]
        for _ in range(2):
            way.office.clock.move(100_000)
            await way.again(sink)
    assert [one["ip"] for one in way.office.attempts(row.id)][:2] == ["127.0.0.1", "127.0.0.1"]


async def test_a_notification_goes_its_way_though_its_message_asked_for_requiretls(way, certificate):
    """RFC 8689 §5: with REQUIRETLS where that is to be had, and all the same where it is not."""
    for extensions, asked in (REQUIRETLS, True), (("PIPELINING",), False):
        async with sinking(certificate, *extensions) as sink:
            assert (await way.send(sink, mail_from="", require_tls=True)).state == "done"
            assert any(command.endswith(" REQUIRETLS") for command in sink.commands) is asked
