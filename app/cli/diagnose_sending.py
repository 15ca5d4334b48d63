"""mailctl diagnose smtp, mtasts, dane: what a delivery to a domain would do now, step by step, and why."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click

from app.cli.diagnose import hostname_of, resolver_of, run, settings_of, zone_option
from app.cli.place import Place, pass_place
from app.cli.printing import json_option, show
from mail.address import parse_domain
from mail.config.settings import Settings
from mail.deliver.dial import Dialer, verifying_context
from mail.deliver.explain import Explainer, Step
from mail.deliver.hosts import Finder, is_own_address
from mail.deliver.plan import Routes, host_and_port, plan
from mail.deliver.sts import StsPolicies
from mail.errors import MailError
from mail.fetch import Fetcher
from mail.runtime.stored import open_store
from mail.store import accounts, sts_policies
from mail.store.engine import Store
from mail.store.sts_policies import CachedPolicy


class SeenPolicies:
    """The cache, looked at only: asking by hand changes nothing."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    async def find(self, domain: str) -> CachedPolicy | None:
        if self._store is None:
            return None
        with contextlib.suppress(MailError), self._store.read() as connection:
            return sts_policies.find(connection, domain)
        return None

    async def keep(self, *_: object, **__: object) -> None:
        pass

    async def note_failure(self, *_: object, **__: object) -> None:
        pass

    async def note_use(self, *_: object) -> None:
        pass

    async def remove(self, domain: str) -> None:
        pass


@contextlib.contextmanager
def store_of(place: Place, zone: Path | None) -> Iterator[Store | None]:
    """None where there is none to be read, or the world is a zone file's."""
    settings, store = settings_of(place), None
    if zone is None and settings is not None:
        with contextlib.suppress(MailError):
            store = open_store(settings, read_only=True)
    try:
        yield store
    finally:
        if store is not None:
            store.close()


def explainer_of(place: Place, zone: Path | None, store: Store | None, *, connect: bool = False) -> Explainer:
    settings, resolver = settings_of(place), resolver_of(place, zone)
    internal = frozenset(settings.fetch_internal_hosts.lower().split()) if settings is not None else frozenset()
    verifying = verifying_context()
    fetcher = Fetcher(resolver, is_own_address, verifying, internal)
    sts = StsPolicies(resolver, fetcher, SeenPolicies(store), place.clock)
    name = hostname_of(place)
    dialer = Dialer(name, verifying=verifying, clock=place.clock)
    return Explainer(Finder(resolver, name, is_own_address), sts, dialer, connect)


def routes_of(settings: Settings | None) -> Routes:
    """The ways out, without their secrets."""
    if settings is None:
        return Routes()
    return Routes(
        loopback=host_and_port(settings.loopback, 25),
        smarthost=host_and_port(settings.smarthost, 587),
        private_destinations=settings.private_destinations,
    )


def is_ours(store: Store | None, domain: str) -> bool:
    if store is None:
        return False
    try:
        with store.read() as connection:
            accounts.find_domain(connection, domain)
        return True
    except MailError:  # no such domain, or a store that cannot be read from here
        return False


def show_steps(steps: AsyncIterator[Step], as_json: bool) -> None:
    async def gathered() -> list[Step]:
        return [step async for step in steps]

    found: list[Any] = run(gathered())
    show(found, as_json, [f"{step.step:10}  {step.says}" for step in found])


@click.command()
@click.argument("domain")
@click.option(
    "--require-tls", type=click.Choice(["yes", "no"]), help="As a message with REQUIRETLS or TLS-Required: No."
)
@click.option("--connect", is_flag=True, help="Connect to the hosts too, up to EHLO under TLS; nothing is sent.")
@zone_option
@json_option
@pass_place
def smtp(place: Place, domain: str, require_tls: str | None, connect: bool, zone: Path | None, as_json: bool) -> None:
    """Where would mail for a domain go, by which hosts, and under which TLS policies?"""
    wanted = {"yes": True, "no": False}.get(require_tls or "")
    name = parse_domain(domain)
    with store_of(place, zone) as store:
        routes = routes_of(None if zone is not None else settings_of(place))
        chosen = plan(name, routes, ours=is_ours(store, name), require_tls=wanted)
        show_steps(explainer_of(place, zone, store, connect=connect).smtp(chosen, name), as_json)


@click.command()
@click.argument("domain")
@zone_option
@json_option
@pass_place
def mtasts(place: Place, domain: str, zone: Path | None, as_json: bool) -> None:
    """Which MTA-STS policy holds for a domain, and does it name the domain's hosts? RFC 8461."""
    with store_of(place, zone) as store:
        show_steps(explainer_of(place, zone, store).mtasts(parse_domain(domain)), as_json)


@click.command()
@click.argument("domain")
@zone_option
@json_option
@pass_place
def dane(place: Place, domain: str, zone: Path | None, as_json: bool) -> None:
    """Which TLSA records bind the hosts of a domain, and are they vouched for? RFC 7672."""
    show_steps(explainer_of(place, zone, None).dane(parse_domain(domain)), as_json)
