"""What an aggregate report to the author's domain is to say of a message (features-1 item 12, RFC 7489 §7.2, RFC 9989).

The disposition and why a policy was not followed are added by who decides; this is what the checks found.
"""

from typing import Any

from mail.dmarc.domains import organizational_domain
from mail.receive.gather import Envelope, Gathered

# The hours a day can be divided by.
INTERVALS = (24, 12, 8, 6, 4, 3, 2, 1)
HOUR_SECONDS = 3600


def interval_hours(ri: int) -> int:
    """The interval we report in for one that was asked for: begun hours count, then the largest that fits a day."""
    hours = max(1, -(-ri // HOUR_SECONDS))
    return next(one for one in INTERVALS if one <= hours)


def evaluation_of(gathered: Gathered, envelope: Envelope) -> dict[str, Any] | None:
    """None where nobody wants reports."""
    policy, facts = gathered.dmarc, gathered.facts
    record = policy.record
    if record is None or not record.rua:
        return None
    spf = gathered.spf
    return {
        "policy_domain": policy.domain,
        "interval_hours": interval_hours(record.ri),
        "rua": [one.uri for one in record.rua],
        "published": {
            "domain": policy.domain,
            "adkim": record.adkim,
            "aspf": record.aspf,
            "p": record.p,
            "sp": record.sp or record.p,
            "np": record.np,
            "pct": record.pct,
        },
        "source_ip": envelope.ip,
        "aligned_dkim": policy.aligned_dkim,
        "aligned_spf": policy.aligned_spf,
        "envelope_from": envelope.mail_from.domain if envelope.mail_from is not None else "",
        "header_from": facts.from_domain,
        "dkim_results": [
            {"domain": one.domain, "selector": one.selector, "result": one.result}
            for one in gathered.dkim
            if one.domain and organizational_domain(one.domain) == facts.org_domain
        ],
        "spf_result": {
            "domain": spf.domain,
            "scope": "mfrom" if spf.identity == "mailfrom" else "helo",
            "result": spf.result,
        },
    }
