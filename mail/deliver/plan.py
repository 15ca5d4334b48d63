"""Where a message for a domain goes. Pure, and it explains itself: `Plan.why` is shown to whoever asks.

    local bundle       everything           -> loopback   (back to our own port 25)
    a domain of ours   its accounts         -> local      (the keeper stores it)
    a smarthost is set everything else      -> smarthost
    otherwise          everything else      -> the mail exchangers of the domain

What a message asks of TLS (RFC 8689) makes it another plan, for it cannot share a connection with others. What MTA-STS
and DANE ask of a host is `mail.deliver.demand`'s. Attempts only follow.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`fixed` is a host and port to use as they are; `local` needs no host; else the domain's mail exchangers are
    looked up.

    `name` tells destinations apart: what has the same name may share a connection.
    """

    name: str
    why: str
    local: bool = False
    fixed: tuple[str, int] | None = None
    login: Login | None = None
    # STARTTLS: tried where offered; needed when a login goes over it.
    tls_required: bool = False
    # True: REQUIRETLS, False: TLS-Required: No.
    require_tls: bool | None = None
    private_allowed: bool = False
    # Of each host's addresses: this family first, and before all others this one.
    ipv4_first: bool = False
    ip_first: str = ""


@dataclass(frozen=True, slots=True)
class Routes:
    """What the host's settings say of the way out."""

    loopback: tuple[str, int] | None = None
    smarthost: tuple[str, int] | None = None
    smarthost_login: Login | None = None
    private_destinations: bool = False


def plan(
    domain: str,
    routes: Routes,
    *,
    ours: bool = False,
    ipv4_first: bool = False,
    ip_first: str = "",
    require_tls: bool | None = None,
) -> Plan:
    """`ours`: mail for that domain is for accounts of ours. `require_tls`: what the message asks of TLS. Which address
    comes first: see `address_order`.
    """
    if routes.loopback is not None:
        where = f"{routes.loopback[0]}:{routes.loopback[1]}"
        why = f"everything goes back to {where}: this is a local bundle"
        return Plan("loopback", why, fixed=routes.loopback, private_allowed=True)
    if ours:
        return Plan("local", f"{domain} is a domain of ours", local=True)
    if routes.smarthost is not None:
        where = f"{routes.smarthost[0]}:{routes.smarthost[1]}"
        login = routes.smarthost_login
        # A smarthost's policies are the settings: TLS-Required: No has nothing to undo.
        required = require_tls or None
        return Plan(
            _name("smarthost", require_tls=required),
            f"the setting smarthost sends everything to {where}",
            fixed=routes.smarthost,
            login=login,
            tls_required=login is not None,
            require_tls=required,
            private_allowed=True,
        )
    return Plan(
        _name(domain, ipv4_first=ipv4_first, ip_first=ip_first, require_tls=require_tls),
        f"the mail exchangers of {domain}",
        require_tls=require_tls,
        private_allowed=routes.private_destinations,
        ipv4_first=ipv4_first,
        ip_first=ip_first,
    )


def address_order(attempts: int, last_code: int, last_ip: str) -> tuple[bool, str]:
    """Whether IPv4 comes first, and which address before all others, by the attempt before this one (features B09).

    The second attempt goes to the very same address, for who greylists waits for us there; unless that refused us by
    policy (mail.deliver.outcome), which is another matter over the other family. Every later one begins with the other
    family.
    """
    six = ":" in last_ip
    if attempts < 2 or not last_ip:
        return 500 <= last_code < 600, ""
    if attempts == 2 and not 500 <= last_code < 600:
        return not six, last_ip
    return six, ""


def _name(where: str, *, ipv4_first: bool = False, ip_first: str = "", require_tls: bool | None = None) -> str:
    words = [f"{ip_first} first"] if ip_first else ["IPv4 first"] if ipv4_first else []
    if require_tls is not None:
        words.append("REQUIRETLS" if require_tls else "TLS not required")
    return f"{where} ({', '.join(words)})" if words else where


def host_and_port(text: str, default_port: int) -> tuple[str, int] | None:
    """`host`, `host:port` or `[v6]:port` of a setting; None for an empty one. ValueError for nonsense."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        return text.strip("[]"), default_port
    return host.strip("[]"), int(port)
