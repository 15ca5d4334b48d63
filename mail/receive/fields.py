"""The fields that say what we found, for the front of an arriving message (RFC 8601, RFC 7208 §9.1)."""

from mail.message import results
from mail.message.results import Method, SpfCheck
from mail.receive.gather import Envelope, Gathered

COMMENT_MAX = 200


def found_fields(gathered: Gathered, envelope: Envelope, hostname: str) -> bytes:
    """Authentication-Results and Received-SPF; nothing where nothing was looked up."""
    spf = gathered.spf
    if spf.result == "none" and gathered.iprev.result == "none" and not gathered.dkim and not gathered.questions:
        return b""
    return results.authentication_results(hostname, _methods(gathered, envelope), smtputf8=envelope.smtputf8) + (
        results.received_spf(
            SpfCheck(
                result=spf.result,
                identity=spf.identity,
                client_ip=envelope.ip,
                envelope_from=str(envelope.mail_from or ""),
                helo=envelope.ehlo_name,
                receiver=hostname,
                mechanism=spf.mechanism,
                problem=spf.problem[:COMMENT_MAX],
                comment=spf.explanation[:COMMENT_MAX],
            ),
            smtputf8=envelope.smtputf8,
        )
    )


def _methods(gathered: Gathered, envelope: Envelope) -> list[Method]:
    reverse, spf, policy, chain = gathered.iprev, gathered.spf, gathered.dmarc, gathered.arc
    found = [results.iprev(reverse.result, envelope.ip, comment=reverse.name)]
    for one in gathered.dkim:
        remarks = [
            *([f"{one.key_bits}-bit key"] if one.weak else []),
            *(["testing"] if one.testing else []),
            *(["dnssec"] if one.secure else []),
        ]
        found.append(
            results.dkim(
                one.result,
                domain=one.domain,
                selector=one.selector,
                identity=one.identity,
                algorithm=one.algorithm,
                signature=one.tag_b,
                reason="" if one.result == "pass" else one.reason,
                comment=", ".join(remarks),
            )
        )
    mail_from = str(envelope.mail_from or "")
    found.append(
        results.spf(spf.result, mail_from=mail_from, helo=envelope.ehlo_name, reason=spf.problem[:COMMENT_MAX])
    )
    remarks = [*policy.overrides, *(["dnssec"] if policy.secure else [])]
    found.append(
        results.dmarc(policy.result, gathered.facts.from_domain, policy=policy.disposition, comment=", ".join(remarks))
    )
    if chain.cv != "none":
        found.append(results.arc(chain.cv, oldest_pass=chain.oldest_pass, client_ip=envelope.ip, comment=chain.reason))
    return found
