"""mailctl diagnose: the checks of arriving mail by hand, against the DNS or a zone file."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import click

from app.cli.loading import LoadedGroup
from app.cli.place import Place, pass_place
from app.cli.printing import json_option, show
from app.cli.zone_file import read_zone
from mail.check import authentication
from mail.check.batch import Batch, lines_of
from mail.check.structure import structure as structure_of
from mail.config.settings import Settings
from mail.dns.live import LiveResolver
from mail.dns.resolver import Resolver
from mail.dns.zone import ZoneResolver
from mail.errors import Invalid

MESSAGE_MAX = 200 << 20


ELSEWHERE = {
    "junk": "app.cli.diagnose_junk:junk",
    "smtp": "app.cli.diagnose_sending:smtp",
    "mtasts": "app.cli.diagnose_sending:mtasts",
    "dane": "app.cli.diagnose_sending:dane",
}


@click.group(cls=LoadedGroup, places=ELSEWHERE)
def diagnose() -> None:
    """Check by hand what we check of arriving mail and do with leaving mail, and see why it comes out as it does."""


zone_option = click.option(
    "--zone",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML or JSON that replaces the DNS: name -> list of {TYPE: value}, or TIMEOUT.",
)
message_argument = click.argument("message", type=click.File("rb"), default="-")


def resolver_of(place: Place, zone: Path | None) -> Resolver:
    """The zone file, or the DNS as the settings say. Invalid when neither can be had."""
    if zone is not None:
        return ZoneResolver(read_zone(zone))
    settings = settings_of(place)
    if settings is None or not settings.resolver:
        raise Invalid(public="there are no settings here that name a resolver; give --zone FILE")
    return LiveResolver(settings.resolver)


def settings_of(place: Place) -> Settings | None:
    """None where nothing is installed: with a zone file the checks need nothing else."""
    try:
        return place.settings
    except Invalid:
        return None


def hostname_of(place: Place) -> str:
    settings = settings_of(place)
    return settings.hostname if settings is not None else "localhost"


def run(work: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await work

    return asyncio.run(wait())


def words(values: dict[str, Any]) -> str:
    """A line for each value that says something."""
    width = max(map(len, values), default=0)
    return "\n".join(
        f"{name:{width}}  {_word(value)}" for name, value in values.items() if value not in ("", None, (), [])
    )


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(_word, value)) if isinstance(value, list | tuple) else str(value)


@diagnose.command()
@click.option("--ip", required=True, help="The client's address.")
@click.option("--helo", default="", help="What it said in EHLO.")
@click.option("--mail-from", default="", help="The sender; empty: the null sender, so EHLO is checked.")
@zone_option
@json_option
@pass_place
def spf(place: Place, ip: str, helo: str, mail_from: str, zone: Path | None, as_json: bool) -> None:
    """May this address send mail for that sender? RFC 7208."""
    resolver = resolver_of(place, zone)
    try:
        found = run(authentication.spf(resolver, ip=ip, helo=helo, mail_from=mail_from, receiver=hostname_of(place)))
    except ValueError as error:
        raise Invalid(public=f"--ip {ip}: {error}") from error
    show(found, as_json, words(found))


@diagnose.command()
@message_argument
@click.option("--now", type=int, help="Seconds since 1970, to judge t= and x= by; otherwise the time it is.")
@zone_option
@json_option
@pass_place
def dkim(place: Place, message: Any, now: int | None, zone: Path | None, as_json: bool) -> None:
    """Are the signatures of a message good? A file, or standard input. RFC 6376."""
    at = now if now is not None else place.clock.wall_ms() // 1000
    found = run(authentication.dkim(resolver_of(place, zone), message.read(MESSAGE_MAX), now=at))
    text = "\n\n".join(map(words, found)) if found else "the message has no DKIM signature"
    show(found, as_json, text)


@diagnose.command()
@message_argument
@click.option("--now", type=int, help="Seconds since 1970; otherwise the time it is.")
@zone_option
@json_option
@pass_place
def arc(place: Place, message: Any, now: int | None, zone: Path | None, as_json: bool) -> None:
    """Is the ARC chain of a message whole? A file, or standard input. RFC 8617."""
    at = now if now is not None else place.clock.wall_ms() // 1000
    found = run(authentication.arc(resolver_of(place, zone), message.read(MESSAGE_MAX), now=at))
    show(found, as_json, "\n\n".join(map(words, ({**found, "chain": ""}, *found["chain"]))))


def result_and_domain(text: str) -> tuple[str, str]:
    result, _, domain = text.partition("=")
    return result, domain


@diagnose.command()
@click.argument("from_domain")
@click.option("--spf", "spf_result", default="none", help="RESULT=DOMAIN of SPF, as pass=example.org.")
@click.option("--dkim", "dkim_results", multiple=True, help="RESULT=DOMAIN of a signature; several times.")
@zone_option
@json_option
@pass_place
def dmarc(
    place: Place,
    from_domain: str,
    spf_result: str,
    dkim_results: tuple[str, ...],
    zone: Path | None,
    as_json: bool,
) -> None:
    """What does the author's domain want done, given these results? RFC 9989."""
    found = run(
        authentication.dmarc(
            resolver_of(place, zone),
            from_domain=from_domain,
            spf=result_and_domain(spf_result),
            dkim=[result_and_domain(one) for one in dkim_results],
        )
    )
    show(found, as_json, words(found))


@diagnose.command()
@message_argument
@json_option
def structure(message: Any, as_json: bool) -> None:
    """What we see in a message: envelope, parts, and what is wrong with it. A file, or standard input."""
    found = structure_of(message.read(MESSAGE_MAX))
    show(found, as_json, "\n\n".join(map(words, ({**found, "parts": ""}, *found["parts"]))))


@diagnose.command()
@zone_option
@click.option("--json", "as_json", is_flag=True, help="It is JSON in any case.")
@pass_place
def batch(place: Place, zone: Path | None, as_json: bool) -> None:
    """Answer one JSON request a line from standard input with one JSON answer a line (docs/DIAGNOSE.md)."""
    settings = settings_of(place)
    asked = resolver_of(place, zone) if zone is not None or (settings is not None and settings.resolver) else None
    checks = Batch(asked, place.clock, hostname_of(place))

    async def answer_all() -> None:
        for line in lines_of(sys.stdin.buffer):
            click.echo(json.dumps(await checks.answer(line)))

    asyncio.run(answer_all())
