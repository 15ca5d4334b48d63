import ssl

import pytest

from mail.dane import Tlsa, TlsaAnswer
from mail.deliver.demand import demand
from mail.deliver.hosts import Host
from mail.deliver.sts import Failure, StsAnswer
from mail.deliver.tls_session import DANE_MISMATCH, NO_STARTTLS, TlsSession, Told, sts_results, told_of
from mail.mtasts.policy import Policy
from mail.queue.tls_result import TlsResult
from mail.smtp.client import StartTlsRefused
from mail.smtp.reply_reader import local_reply
from mail.smtp.wire import ConversationFailed

DAY = 20_270_115
POLICY = Policy("testing", ("*.them.test",), 60)
RECORDS = TlsaAnswer("base.test", (Tlsa(3, 1, 0, b"b"), Tlsa(3, 1, 0, b"a")))


def session(sts=None, tlsa=None, host="mx.them.test") -> TlsSession:
    wanted = demand("them.test", Host(host, ("192.0.2.1",)), sts, tlsa)
    return TlsSession("them.test", wanted, host, "192.0.2.1", "198.51.100.1", begun=True)


def shapes(made: TlsSession) -> list[tuple[str, str, bool, str, int]]:
    return [
        (one.policy_domain, one.policy_type, one.is_host, one.result_type, one.sessions) for one in made.results(DAY)
    ]


def test_a_good_session_is_told_to_the_domain_and_to_the_host():
    assert shapes(session()) == [
        ("them.test", "no-policy-found", False, "", 1),
        ("mx.them.test", "no-policy-found", True, "", 1),
    ]
    sts, host = session(POLICY, RECORDS).results(DAY)
    assert (sts.policy_type, sts.policy, sts.mx_patterns) == ("sts", POLICY.lines(), ("*.them.test",))
    assert (host.policy_domain, host.policy_type, host.policy) == ("base.test", "tlsa", ("3 1 0 61", "3 1 0 62"))
    assert host.receiving_ip == "" and host.recipient_domain == "them.test"


def test_a_failure_of_tls_is_told_to_both_and_of_a_check_to_its_own():
    both = session(POLICY, RECORDS)
    both.failed(Told("validation-failure", "io-timeout-during-handshake"))
    both.failed(NO_STARTTLS)
    assert [one[3:] for one in shapes(both)] == [("validation-failure", 1)] * 2, "what failed first stands"
    dane = session(POLICY, RECORDS)
    dane.host_failed(DANE_MISMATCH)
    assert [one[3] for one in shapes(dane)] == ["", "validation-failure"]
    told = list(dane.results(DAY))[1]
    assert (told.receiving_ip, told.sending_ip, told.mx_host) == ("192.0.2.1", "198.51.100.1", "mx.them.test")
    assert [one.is_host for one in dane.refused(DAY)] == [True]


def test_a_domain_that_is_its_own_host_is_told_once():
    assert shapes(session(host="them.test")) == [("them.test", "no-policy-found", False, "", 1)]
    assert shapes(session(tlsa=RECORDS, host="them.test")) == [("base.test", "tlsa", True, "", 1)]


def test_records_that_are_all_unusable_are_told_of_beside_the_session():
    unusable = session(tlsa=TlsaAnswer("base.test", (Tlsa(0, 0, 0, b"x"),)))
    assert shapes(unusable)[1:] == [("base.test", "tlsa", True, "tlsa-invalid", 0), ("base.test", "tlsa", True, "", 1)]


def test_what_never_began_is_not_told():
    made = session()
    made.begun = False
    assert shapes(made) == []


def test_a_policy_that_could_not_be_had_is_told_of_with_no_session_failed():
    failure = Failure("sts-policy-fetch-error", "dns")
    (told,) = sts_results("them.test", StsAnswer(None, "", failure), DAY)
    wanted = TlsResult(
        DAY, "them.test", "them.test", False, "no-policy-found", result_type=failure.result_type, reason="dns"
    )
    assert (told.result_type, told.sessions, told.policy_type) == (wanted.result_type, 0, wanted.policy_type)
    (cached,) = sts_results("them.test", StsAnswer(POLICY, "", failure), DAY)
    assert (cached.policy_type, cached.mx_patterns) == ("sts", POLICY.mx)
    assert list(sts_results("them.test", StsAnswer(POLICY, ""), DAY)) == []


def certificate_error(code: int, words: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, words
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (certificate_error(62, "Hostname mismatch"), ("certificate-host-mismatch", "")),
        (certificate_error(10, "certificate has expired"), ("certificate-expired", "")),
        (certificate_error(18, "self-signed certificate"), ("certificate-not-trusted", "self-signed-certificate")),
        (TimeoutError(), ("validation-failure", "io-timeout-during-handshake")),
        (ConnectionResetError(), ("validation-failure", "connection-closed-during-handshake")),
        (ssl.SSLEOFError(8, "EOF"), ("validation-failure", "connection-closed-during-handshake")),
        (None, ("validation-failure", "connection-closed-during-handshake")),
        (ssl_error("WRONG_VERSION_NUMBER"), ("validation-failure", "tls-record-header-error")),
        (ssl_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), ("validation-failure", "tls-remote-handshake-failure")),
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), ("validation-failure", "tls-remote-certificate-required")),
        (ssl_error("NO_PROTOCOLS_AVAILABLE"), ("validation-failure", "tls-local-no-protocols-available")),
    ],
)
def test_a_failed_handshake_has_its_word(cause, told):
    error = ConversationFailed("TLS", tls=True)
    error.__cause__ = cause
    assert told_of(error) == Told(*told)


def test_a_starttls_that_is_refused_has_its_code():
    assert told_of(StartTlsRefused(local_reply(454, "4.7.0", "not now"))) == Told(
        "starttls-not-supported", "smtp-starttls-reply-code-454"
    )
