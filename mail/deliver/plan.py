"""Where a message for a domain goes. Pure, and it explains itself: `Plan.why` is shown to whoever asks.

Policies to come (routes, transports, MTA-STS, DANE) add ways to choose a plan here; attempts only follow it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`fixed` is a host and port to use as they are; without it the domain's mail exchangers are looked up.

    `name` tells destinations apart: what has the same name may share a connection.
    """

    name: str
    why: str
    fixed: tuple[str, int] | None = None
    login: Login | None = None
    # STARTTLS: tried where offered; needed when a login goes over it.
    tls_required: bool = False
    private_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """What the host's settings say of the way out."""

    loopback: tuple[str, int] | None = None
    smarthost: tuple[str, int] | None = None
    smarthost_login: Login | None = None
    private_destinations: bool = False


def plan(domain: str, routes: Routes) -> Plan:
    if routes.loopback is not None:
        where = f"{routes.loopback[0]}:{routes.loopback[1]}"
        return Plan("loopback", f"everything goes back to {where}: this is a local bundle", routes.loopback)
    if routes.smarthost is not None:
        where = f"{routes.smarthost[0]}:{routes.smarthost[1]}"
        login = routes.smarthost_login
        why = f"the setting smarthost sends everything to {where}"
        return Plan("smarthost", why, routes.smarthost, login, tls_required=login is not None, private_allowed=True)
    why = f"the mail exchangers of {domain}"
    return Plan(domain, why, private_allowed=routes.private_destinations)


def host_and_port(text: str, default_port: int) -> tuple[str, int] | None:
    """`host`, `host:port` or `[v6]:port` of a setting; None for an empty one. ValueError for nonsense."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        return text.strip("[]"), default_port
    return host.strip("[]"), int(port)
