"""What a delivery to a domain would do now, step by step and why: for people who ask by hand. Nothing is sent.

Each step is asked of the very code that delivers; what it would refuse is a step too, the last one.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from mail.deliver.dial import Dialer, NoHostAnswered
from mail.deliver.hosts import Finder, Host, Unroutable
from mail.deliver.plan import Plan
from mail.deliver.policies import TLSA_PORT, DomainPolicies, lookup_policies
from mail.deliver.sts import StsAnswer, StsPolicies
from mail.dns.resolver import LookupFailed
from mail.mtasts.record import NoPolicy, lookup_record
from mail.smtp.reply_reader import Reply


@dataclass(frozen=True, slots=True)
class Step:
    """`says` is for people, `facts` are the same and more for programs."""

    step: str
    says: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explainer:
    """`connect`: hosts are talked to as well, up to EHLO under TLS."""

    finder: Finder
    sts: StsPolicies
    dialer: Dialer
    connect: bool = False
    port: int = 25

    async def smtp(self, plan: Plan, domain: str) -> AsyncIterator[Step]:
        """The way of a message by this plan."""
        yield Step("plan", plan.why, {"name": plan.name, "require_tls": plan.require_tls})
        if plan.local or plan.fixed is not None:
            return
        try:
            hosts = await self._hosts(plan, domain)
            for number, host in enumerate(hosts, 1):
                says = f"{number}. {host.name} at {', '.join(host.ips)}"
                yield Step("host", says, {"name": host.name, "ips": host.ips})
            policies = await lookup_policies(self.sts, plan, domain)
        except Unroutable as error:
            yield _refused(error.reply)
            return
        yield Step("mta-sts", policies.sts.why, _policy_facts(policies))
        refused = 0
        async for step in self._demands(hosts, policies):
            refused += step.facts["refused"]
            yield step
        # Where every host is refused nobody is talked to, and only the words for it are made.
        if self.connect or refused == len(hosts):
            yield await self._dialed(plan, hosts, policies)

    async def mtasts(self, domain: str) -> AsyncIterator[Step]:
        """The record, and the policy that holds; it is fetched when a delivery would fetch it."""
        try:
            record = await lookup_record(self.sts.resolver, domain)
            yield Step("record", f"_mta-sts.{domain} has id {record.id}", {"id": record.id})
        except NoPolicy as error:
            yield Step("record", f"_mta-sts.{domain}: {error.reason}", {"problem": error.reason})
        except LookupFailed as error:
            yield Step("record", f"the DNS does not answer: {error}", {"problem": "dns"})
        try:
            policies = await lookup_policies(self.sts, Plan(domain, ""), domain)
        except Unroutable as error:
            yield _refused(error.reply)
            return
        yield Step("policy", policies.sts.why, _policy_facts(policies))
        policy = policies.sts.policy
        if policy is None:
            return
        for host in await self._found(domain):
            named = policy.matches(host.name)
            says = f"{host.name} is {'' if named else 'not '}among the hosts of the policy"
            yield Step("host", says, {"name": host.name, "named": named})

    async def dane(self, domain: str) -> AsyncIterator[Step]:
        """Each host's TLSA records, and why they count or not."""
        try:
            hosts = await self._hosts(Plan(domain, "", private_allowed=True), domain)
        except Unroutable as error:
            yield _refused(error.reply)
            return
        for host in hosts:
            step = await self._tlsa(domain, host)
            yield step
            for one in step.facts.get("records", ()):
                yield Step("record", f"{one['record']}{'' if one['usable'] else ' (unusable)'}", one)

    async def _tlsa(self, domain: str, host: Host) -> Step:
        if not host.tlsa_names:
            says = f"{host.name}: no DANE, for the exchangers of {domain} or its addresses are not signed (no AD bit)"
            return Step("host", says, {"name": host.name, "signed": False})
        demand = await DomainPolicies(domain, StsAnswer(None, ""), None, self.finder.resolver).demand(host)
        asked = [f"_{TLSA_PORT}._tcp.{one}" for one in host.tlsa_names]
        facts: dict[str, Any] = {"name": host.name, "signed": True, "asked": asked}
        if demand.tlsa is None:
            return Step("host", f"{host.name}: {demand.refusal or 'signed, and no TLSA records'}", facts)
        records = [{"record": str(one), "usable": one.usable} for one in demand.tlsa.records]
        return Step("host", f"{host.name}: {demand.why}", {**facts, "base": demand.tlsa.base, "records": records})

    async def _hosts(self, plan: Plan, domain: str) -> list[Host]:
        return await self.finder.find(domain, private_allowed=plan.private_allowed, ipv4_first=plan.ipv4_first)

    async def _found(self, domain: str) -> list[Host]:
        try:
            return await self._hosts(Plan(domain, "", private_allowed=True), domain)
        except Unroutable:
            return []

    async def _demands(self, hosts: list[Host], policies: DomainPolicies) -> AsyncIterator[Step]:
        for host in hosts:
            demand = await policies.demand(host)
            says = f"{host.name}: {demand.refusal or demand.why}"
            facts = {
                "name": host.name,
                "refused": bool(demand.refusal),
                "tls": demand.tls,
                "certificate": demand.pkix.name.lower(),
                "dane": demand.dane.name.lower(),
                "records": [str(one) for one in demand.tlsa.records] if demand.tlsa is not None else [],
            }
            yield Step("demand", says, facts)

    async def _dialed(self, plan: Plan, hosts: list[Host], policies: DomainPolicies) -> Step:
        try:
            dialed = await self.dialer.dial(plan, hosts, self.port, policies)
        except NoHostAnswered as error:
            return _refused(error.reply)
        extensions = sorted(dialed.client.extensions)
        await dialed.client.quit()
        tls = dialed.tls or "no TLS"
        facts = {"host": dialed.host, "ip": dialed.ip, "tls": dialed.tls, "extensions": extensions}
        return Step("connection", f"{dialed.host} [{dialed.ip}] answers: {tls}; {', '.join(extensions)}", facts)


def _policy_facts(policies: DomainPolicies) -> dict[str, Any]:
    policy, failure = policies.sts.policy, policies.sts.failure
    return {
        "policy": list(policy.lines()) if policy is not None else [],
        "failure": f"{failure.result_type} {failure.reason}" if failure is not None else "",
    }


def _refused(reply: Reply) -> Step:
    later = "fails for good" if reply.permanent else "waits"
    facts = {"code": reply.code, "enhanced": reply.enhanced, "permanent": reply.permanent}
    return Step("refused", f"the mail {later}: {reply.code} {reply.enhanced} {reply.text}".replace("  ", " "), facts)
