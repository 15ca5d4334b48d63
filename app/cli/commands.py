"""The command tree of mailctl."""

from pathlib import Path

import click

from app.cli.loading import LoadedGroup
from app.cli.place import Place

PLACES = {
    "domain": "app.cli.accounts:domain",
    "account": "app.cli.accounts:account",
    "address": "app.cli.accounts:address",
    "alias": "app.cli.aliases:alias",
    "ruleset": "app.cli.rulesets:ruleset",
    "queue": "app.cli.queue:queue",
    "junk": "app.cli.junk:junk",
    "diagnose": "app.cli.diagnose:diagnose",
    "trace": "app.cli.trace:trace",
    "verify": "app.cli.operations:verify",
    "status": "app.cli.operations:status",
    "settings": "app.cli.operations:settings",
    "migrate": "app.cli.operations:migrate",
}


@click.group(cls=LoadedGroup, places=PLACES)
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="A local bundle's folder.")
@click.pass_context
def mailctl(context: click.Context, folder: Path | None) -> None:
    """Administer Mailstead: the host's server, or with --dir the local bundle in that folder.

    Where the host has none it is the bundle in ./local.
    """
    context.obj = Place(folder.resolve() if folder else None)
