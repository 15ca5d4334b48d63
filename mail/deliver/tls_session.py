"""What TLS came to in one session with a host, told in the words of TLS reports (RFC 8460 §4.3; features-1 §11b).

Each session is seen twice: as the recipient's domain sees it (its MTA-STS policy), and as the host's domain does (its
TLSA records). A failure of TLS itself is a failure in both views, a failed check only in its own.
"""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from mail.deliver.demand import Demand
from mail.deliver.sts import Failure, StsAnswer
from mail.queue.tls_result import NO_POLICY, STS, TLSA, TlsResult, bounded
from mail.smtp.client import StartTlsRefused
from mail.smtp.wire import ConversationFailed

# openssl/x509_vfy.h
_EXPIRED, _NOT_YET, _HOST_MISMATCH, _IP_MISMATCH = 10, 9, 62, 64
# OpenSSL names the alerts of the other side so, as TLSV1_ALERT_INTERNAL_ERROR.
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)")
_OTHER = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Told:
    """A result type of RFC 8460 §4.3 and a reason; `sessions`: how many failed by it."""

    result_type: str
    reason: str = ""
    sessions: int = 1


NO_STARTTLS = Told("starttls-not-supported", sessions=0)
MX_MISMATCH = Told("validation-failure", "mtasts-policy-mx-mismatch")
DANE_MISMATCH = Told("validation-failure", "dane-no-match")
TLSA_UNUSABLE = Told("tlsa-invalid", "all-unusable-records+ignored", sessions=0)
TLSA_NOT_KNOWN = Told("dnssec-invalid", "tlsa-lookup-failed")


@dataclass(slots=True)
class TlsSession:
    """`begun`: it came to where TLS matters. What failed first stands."""

    domain: str
    demand: Demand
    host: str
    ip: str = ""
    sending_ip: str = ""
    begun: bool = False
    _sts: Told | None = None
    _host: Told | None = None

    def failed(self, told: Told) -> None:
        """In both views."""
        self.sts_failed(told)
        self.host_failed(told)

    def sts_failed(self, told: Told) -> None:
        self.begun = True
        self._sts = self._sts or told

    def host_failed(self, told: Told) -> None:
        self.begun = True
        self._host = self._host or told

    def results(self, day: int) -> Iterator[TlsResult]:
        if not self.begun:
            return
        tlsa, sts = self.demand.tlsa, self.demand.sts
        # A host that is its own domain is not told twice of one and the same.
        if sts is not None or not (self.host == self.domain and tlsa is not None):
            yield self._told(day, self._sts, self.domain, is_host=False)
        if tlsa is not None and not tlsa.usable:
            yield self._told(day, TLSA_UNUSABLE, tlsa.base, is_host=True)
        if sts is not None or tlsa is not None or self.host != self.domain:
            yield self._told(day, self._host, tlsa.base if tlsa else self.host, is_host=True)

    def refused(self, day: int) -> Iterator[TlsResult]:
        """No session came about: only what failed is told."""
        return (one for one in self.results(day) if one.result_type)

    def _told(self, day: int, told: Told | None, policy_domain: str, *, is_host: bool) -> TlsResult:
        kind, policy, patterns = _policy(self.demand, is_host)
        return TlsResult(
            day=day,
            policy_domain=policy_domain,
            recipient_domain=self.domain,
            is_host=is_host,
            policy_type=kind,
            policy=policy,
            mx_patterns=patterns,
            result_type=told.result_type if told else "",
            reason=told.reason if told else "",
            mx_host=self.host,
            receiving_ip=self.ip if told else "",
            sending_ip=self.sending_ip if told else "",
            sessions=told.sessions if told else 1,
        )


def _policy(demand: Demand, is_host: bool) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if is_host:
        if demand.tlsa is None:
            return NO_POLICY, (), ()
        return TLSA, bounded(tuple(sorted(map(str, demand.tlsa.records)))), ()
    if demand.sts is None:
        return NO_POLICY, (), ()
    return STS, bounded(demand.sts.lines()), bounded(demand.sts.mx)


def sts_results(domain: str, sts: StsAnswer, day: int) -> Iterator[TlsResult]:
    """What went wrong before any session: the policy could not be had, or not anew. No session failed by that."""
    failure: Failure | None = sts.failure
    if failure is not None:
        kind = STS if sts.policy is not None else NO_POLICY
        lines, hosts = (sts.policy.lines(), sts.policy.mx) if sts.policy is not None else ((), ())
        yield TlsResult(
            day=day,
            policy_domain=domain,
            recipient_domain=domain,
            is_host=False,
            policy_type=kind,
            policy=bounded(lines),
            mx_patterns=bounded(hosts),
            result_type=failure.result_type,
            reason=failure.reason,
            sessions=0,
        )


def told_of(error: ConversationFailed) -> Told:
    """A handshake that failed."""
    if isinstance(error, StartTlsRefused):
        return Told("starttls-not-supported", f"smtp-starttls-reply-code-{error.code}")
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate(cause)
    if isinstance(cause, TimeoutError):
        return Told("validation-failure", "io-timeout-during-handshake")
    if isinstance(cause, ssl.SSLEOFError) or not isinstance(cause, ssl.SSLError):
        return Told("validation-failure", "connection-closed-during-handshake")
    reason = cause.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return Told("validation-failure", "tls-record-header-error")
    alert = _ALERT.fullmatch(reason)
    side, words = ("remote", alert[1]) if alert else ("local", reason)
    return Told("validation-failure", f"tls-{side}-{_slug(words)}")


def _certificate(error: ssl.SSLCertVerificationError) -> Told:
    if error.verify_code in (_HOST_MISMATCH, _IP_MISMATCH):
        return Told("certificate-host-mismatch")
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return Told("certificate-expired")
    return Told("certificate-not-trusted", _slug(error.verify_message))


def _slug(words: str) -> str:
    return _OTHER.sub("-", words.lower()).strip("-")
