"""What a host must prove before it gets mail: from policies to one demand. Pure; `Demand.why` explains.

DANE records, usable        TLS, and a certificate that one of them matches               RFC 7672 §2.2
DANE records, none usable   TLS, whatever the certificate
MTA-STS, enforce            TLS, a host of the policy, a certificate good for its name    RFC 8461 §4
MTA-STS, testing            nothing; what would have failed is told in TLS reports
both                        all of both: neither lets the other be passed over            RFC 8461 §2
REQUIRETLS                  one of the two, proven, and a server that offers REQUIRETLS   RFC 8689 §4.2.1
TLS-Required: No            nothing; what fails is told in TLS reports                    RFC 8689 §3
none of these               TLS where it is offered and works                             RFC 7435
"""

from dataclasses import dataclass
from enum import Enum

from mail.dane import Tlsa, TlsaAnswer
from mail.deliver.hosts import Host
from mail.deliver.plan import Plan
from mail.mtasts.policy import NONE, Policy


class Check(Enum):
    """`WATCH`: it is looked at and told of, and decides nothing."""

    OFF, WATCH, MUST = range(3)


@dataclass(frozen=True, slots=True)
class Demand:
    """`tls`: never in clear. `pkix`: the certificate is good for the host's name; `dane`: a record matches it.
    `refusal`: nothing is sent to that host, for this reason; `unmet`: because REQUIRETLS asks for more than it has.
    `sts` and `tlsa` are what was found, for reports. `policies` names those that bind.
    """

    why: str
    tls: bool = False
    pkix: Check = Check.OFF
    dane: Check = Check.OFF
    require_tls: bool = False
    refusal: str = ""
    unmet: bool = False
    policies: str = ""
    sts: Policy | None = None
    mismatch: bool = False
    tlsa: TlsaAnswer | None = None
    names: tuple[str, ...] = ()
    server_name: str = ""

    @property
    def records(self) -> tuple[Tlsa, ...]:
        return self.tlsa.usable if self.tlsa is not None else ()


def demand(
    domain: str, host: Host, sts: Policy | None, tlsa: TlsaAnswer | None, *, require_tls: bool | None = None
) -> Demand:
    """For an exchanger of the domain. `require_tls`: True for REQUIRETLS, False for TLS-Required: No."""
    sts = sts if sts is not None and sts.mode != NONE else None
    lenient = require_tls is False
    enforced = sts is not None and sts.enforced
    must = Check.WATCH if lenient else Check.MUST
    usable = bool(tlsa is not None and tlsa.usable)
    mismatch = sts is not None and not sts.matches(host.name)
    bound = [word for word, binds in (("MTA-STS", enforced), ("DANE", tlsa is not None)) if binds]
    refusal, unmet = "", False
    if require_tls and not (enforced or usable):
        refusal, unmet = "REQUIRETLS: neither MTA-STS nor DANE vouches for it", True
    elif mismatch and enforced and not lenient:
        refusal = f"MTA-STS: it is not among the hosts of the policy of {domain}"
    pkix = Check.OFF if sts is None else must if enforced else Check.WATCH
    return Demand(
        why=_why(sts, tlsa, require_tls),
        tls=bool(bound) and not lenient,
        pkix=pkix,
        dane=must if usable else Check.OFF,
        require_tls=bool(require_tls),
        refusal=refusal,
        unmet=unmet,
        policies="" if lenient else " and ".join(bound),
        sts=sts,
        mismatch=mismatch,
        tlsa=tlsa,
        # RFC 7672 §3.2.2, and SNI is the TLSA base domain (§8.1) unless a name is to be proven by PKIX too.
        names=tuple(dict.fromkeys((*host.next_hop, host.name, tlsa.base))) if tlsa is not None else (),
        server_name=tlsa.base if tlsa is not None and pkix is Check.OFF else host.name,
    )


def fixed_demand(plan: Plan, host: Host) -> Demand:
    """For a host that settings name."""
    required = bool(plan.require_tls)
    proven = plan.login is not None or required
    return Demand(
        why="a login goes to nobody whose name is not proven" if proven else "TLS where it is offered and works",
        tls=plan.tls_required or required,
        pkix=Check.MUST if proven else Check.OFF,
        require_tls=required,
        policies="REQUIRETLS" if required else "",
        server_name=host.name,
    )


def _why(sts: Policy | None, tlsa: TlsaAnswer | None, require_tls: bool | None) -> str:
    parts: list[str] = []
    if tlsa is not None:
        match = "a certificate one of them matches" if tlsa.usable else "whatever the certificate: none is usable"
        parts.append(f"DANE records at {tlsa.base}: TLS, {match}")
    if sts is not None and sts.enforced:
        parts.append("MTA-STS enforced: TLS, a host of the policy, a certificate good for its name")
    elif sts is not None:
        parts.append("MTA-STS testing: what fails is only told of")
    if require_tls:
        parts.append("REQUIRETLS: proven TLS, and a server that offers REQUIRETLS")
    if require_tls is False:
        parts.append("TLS-Required: No, so nothing of this binds" if parts else "TLS-Required: No")
    return "; ".join(parts) or "TLS where it is offered and works"
