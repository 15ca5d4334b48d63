import ssl
import time

import pytest

from mail.deliver.dial import Dialed, Dialer, NoHostAnswered, verifying_context
from mail.deliver.hosts import Host
from mail.deliver.plan import Login, Plan
from mail.smtp.client import Timers
from tests.deliver_sink import DROP, HANG, NOT_TLS, Certified, certified, running_sink

SHORT = Timers(connect=0.4, greeting=0.3, command=0.3, data_start=0.2, data_block=0.3, data_end=0.2, handshake=0.4)
DIRECT = Plan("them.test", "a test")
STRICT = Plan("them.test", "a test", tls_required=True)
HERE = [Host("sink.test", ("127.0.0.1",))]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"))


def smarthost(port: int) -> Plan:
    return Plan("smarthost", "a test", fixed=("127.0.0.1", port), login=Login("me", "secret"), tls_required=True)


async def dial(port: int, plan: Plan = DIRECT, hosts: list[Host] = HERE, ca_file: str | None = None) -> Dialed:
    verifying = verifying_context(ca_file) if ca_file else None
    return await Dialer("us.test", timers=SHORT, verifying=verifying).dial(plan, hosts, port)


async def refusal(port: int, plan: Plan = DIRECT, hosts: list[Host] = HERE, ca_file: str | None = None):
    with pytest.raises(NoHostAnswered) as error:
        await dial(port, plan, hosts, ca_file)
    return error.value


async def test_tls_is_used_where_it_is_offered_whatever_the_certificate(certificate):
    async with running_sink(tls=certificate.context) as sink:
        dialed = await dial(sink.port)
        assert dialed.client.tls and (dialed.host, dialed.ip, dialed.dual_stack) == ("sink.test", "127.0.0.1", False)
        assert sink.connections == 1
        dialed.client.close()


async def test_a_server_without_tls_gets_it_in_clear():
    async with running_sink() as sink:
        dialed = await dial(sink.port)
        assert dialed.client.tls == "" and sink.verbs() == ["EHLO"]
        dialed.client.close()


@pytest.mark.parametrize("fault", [NOT_TLS, "454 4.7.0 not now", "220 go on"])
async def test_broken_tls_costs_one_more_connection_in_clear(fault):
    async with running_sink({"STARTTLS": fault}, extensions=("STARTTLS",)) as sink:
        dialed = await dial(sink.port)
        assert dialed.client.tls == "" and dialed.client.usable
        assert sink.connections == 2
        dialed.client.close()


async def test_a_server_of_old_tls_only_gets_it_in_clear(certificate, monkeypatch):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA")
    async with running_sink(tls=old) as sink:
        dialed = await dial(sink.port)
        assert dialed.client.tls == "" and sink.connections == 2
        dialed.client.close()


async def test_words_before_tls_are_a_temporary_failure_and_no_reason_to_go_on_in_clear():
    """Security TL-2."""
    injected = b"220 go\r\n250-SIZE\r\n250 evil\r\n"
    async with running_sink({"STARTTLS": injected}, extensions=("STARTTLS",)) as sink:
        error = await refusal(sink.port)
        assert error.reply.code == 451 and sink.connections == 1


async def test_a_plan_that_needs_tls_never_goes_without():
    """Security TL-3."""
    for extensions in (("STARTTLS",), ("PIPELINING",)):
        async with running_sink({"STARTTLS": NOT_TLS}, extensions=extensions) as sink:
            error = await refusal(sink.port, STRICT)
            assert error.reply.code == 451 and sink.connections == 1
            assert "MAIL" not in sink.verbs()


async def test_the_next_address_and_the_next_host_are_tried():
    async with running_sink() as sink:
        hosts = [Host("dead.test", ("127.0.0.77",)), Host("sink.test", ("127.0.0.78", "127.0.0.1"))]
        dialed = await dial(sink.port, hosts=hosts)
        assert (dialed.host, dialed.ip) == ("sink.test", "127.0.0.1")
        dialed.client.close()


async def test_a_host_of_both_families_is_noticed():
    async with running_sink() as sink:
        dialed = await dial(sink.port, hosts=[Host("sink.test", ("127.0.0.1", "::1"))])
        assert dialed.dual_stack
        dialed.client.close()


async def test_when_nobody_answers_each_is_named():
    async with running_sink() as sink:
        port = sink.port
    error = await refusal(port, hosts=[Host("a.test", ("127.0.0.1",)), Host("b.test", ("127.0.0.2",))])
    assert (error.reply.code, error.reply.enhanced) == (451, "4.4.1") and error.reply.ours
    assert "a.test [127.0.0.1]" in error.reply.text and "b.test [127.0.0.2]" in error.reply.text


@pytest.mark.parametrize("fault", [HANG, DROP])
async def test_a_host_that_greets_nobody_is_passed_over(fault):
    async with running_sink({"greeting": [fault, "220 hello"]}) as sink:
        dialed = await dial(sink.port, hosts=[Host("sink.test", ("127.0.0.1", "127.0.0.1"))])
        assert dialed.client.usable
        dialed.client.close()


async def test_a_host_that_is_busy_leaves_the_next_and_its_words_stay():
    async with running_sink({"greeting": "421 4.3.2 too many"}) as sink:
        hosts = [Host("sink.test", ("127.0.0.1",)), Host("dead.test", ("127.0.0.77",))]
        error = await refusal(sink.port, hosts=hosts)
        assert (error.reply.code, error.reply.text) == (421, "too many") and not error.reply.ours


async def test_a_host_that_says_never_speaks_for_its_domain():
    async with running_sink({"greeting": "554 5.3.2 no mail here"}) as sink:
        error = await refusal(sink.port, hosts=[HERE[0], Host("other.test", ("127.0.0.1",))])
        assert error.reply.code == 554 and sink.connections == 1
        assert (error.host, error.ip) == ("sink.test", "127.0.0.1")


async def test_the_smarthost_is_logged_into_when_its_name_is_proven(certificate):
    async with running_sink(tls=certificate.context, extensions=("AUTH PLAIN",)) as sink:
        plan = smarthost(sink.port)
        dialed = await dial(sink.port, plan, [Host("localhost", ("127.0.0.1",))], str(certificate.ca_file))
        assert sink.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
        dialed.client.close()


async def test_no_password_goes_to_a_smarthost_whose_name_is_not_proven(certificate):
    async with running_sink(tls=certificate.context, extensions=("AUTH PLAIN",)) as sink:
        for host, ca_file in (("localhost", None), ("other.test", str(certificate.ca_file))):
            error = await refusal(sink.port, smarthost(sink.port), [Host(host, ("127.0.0.1",))], ca_file)
            assert error.reply.code == 451
        assert "AUTH" not in sink.verbs()


async def test_a_login_that_is_refused_is_our_fault_and_never_the_senders(certificate):
    answers = {"AUTH": "535 5.7.8 wrong password"}
    async with running_sink(answers, tls=certificate.context, extensions=("AUTH PLAIN",)) as sink:
        error = await refusal(
            sink.port, smarthost(sink.port), [Host("localhost", ("127.0.0.1",))], str(certificate.ca_file)
        )
        assert error.reply.code == 451 and "refuses our login" in error.reply.text


async def test_nobody_waits_longer_than_the_timers_say():
    async with running_sink({"greeting": HANG}) as sink:
        started = time.monotonic()
        await refusal(sink.port)
        assert time.monotonic() - started < 2


async def test_requiretls_at_a_smarthost_needs_a_proven_name_and_the_extension(certificate):
    """RFC 8689 §4.2.1."""
    here = [Host("localhost", ("127.0.0.1",))]
    for extensions, good in ((("REQUIRETLS",), True), (("PIPELINING",), False)):
        async with running_sink(tls=certificate.context, extensions=extensions) as sink:
            plan = Plan("smarthost", "a test", fixed=("127.0.0.1", sink.port), require_tls=True)
            if good:
                dialed = await dial(sink.port, plan, here, str(certificate.ca_file))
                assert dialed.tls.endswith(", REQUIRETLS")
                dialed.client.close()
                assert (await refusal(sink.port, plan, here)).reply.enhanced == "4.7.5"
            else:
                error = await refusal(sink.port, plan, here, str(certificate.ca_file))
                assert (error.reply.code, error.reply.enhanced) == (554, "5.7.30")
