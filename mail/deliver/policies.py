"""Looking up what policies say of a domain and its hosts: the questions, whose answers `demand` weighs."""

from dataclasses import dataclass, replace

from mail.dane import lookup_tlsa
from mail.deliver.demand import Demand, demand
from mail.deliver.hosts import Host, Unroutable
from mail.deliver.plan import Plan
from mail.deliver.sts import StsAnswer, StsPolicies
from mail.dns.resolver import LookupFailed, Resolver
from mail.smtp.reply_reader import local_reply

# RFC 7672 §2.2.3: TLSA records of mail exchangers are those of port 25.
TLSA_PORT = 25
TLSA_UNKNOWN = "DANE: the DNS does not answer for its TLSA records"


@dataclass(frozen=True, slots=True)
class DomainPolicies:
    """What was found for a domain; each host is asked about when its turn comes."""

    domain: str
    sts: StsAnswer
    require_tls: bool | None
    resolver: Resolver

    @property
    def reported(self) -> bool:
        """An address has no domain that reports could go to."""
        return not self.domain.startswith("[")

    async def demand(self, host: Host) -> Demand:
        try:
            tlsa = await lookup_tlsa(self.resolver, host.tlsa_names, TLSA_PORT)
        except LookupFailed:
            found = demand(self.domain, host, self.sts.policy, None, require_tls=self.require_tls)
            # Records may be there that forbid to go on (RFC 7672 §2.1.1).
            return found if self.require_tls is False else replace(found, refusal=TLSA_UNKNOWN, unmet=False)
        return demand(self.domain, host, self.sts.policy, tlsa, require_tls=self.require_tls)


async def lookup_policies(sts: StsPolicies, plan: Plan, domain: str) -> DomainPolicies:
    """Unroutable while nobody can say whether there is an MTA-STS policy."""
    try:
        answer = await sts.policy_of(domain)
    except LookupFailed as error:
        if plan.require_tls is not False:
            words = f"the DNS does not answer for the MTA-STS record of {domain}"
            raise Unroutable(local_reply(451, "4.4.3", words)) from error
        answer = StsAnswer(None, "the DNS does not answer for the MTA-STS record, and TLS is not required")
    return DomainPolicies(domain, answer, plan.require_tls, sts.resolver)
