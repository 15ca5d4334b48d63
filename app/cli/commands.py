"""The command tree of mailctl."""

from pathlib import Path

import click

from app.cli import accounts, aliases, diagnose, junk, operations, queue, rulesets, trace
from app.cli.context import Context


@click.group()
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="A local bundle's folder.")
@click.pass_context
def mailctl(context: click.Context, folder: Path | None) -> None:
    """Administer Mailstead: without --dir the host's server, with it the local bundle in that folder."""
    context.obj = Context(folder.resolve() if folder else None)
    context.call_on_close(context.obj.close)


for command in (
    accounts.domain,
    accounts.account,
    accounts.address,
    aliases.alias,
    rulesets.ruleset,
    queue.queue,
    junk.junk,
    diagnose.diagnose,
    trace.trace,
    operations.verify,
    operations.status,
    operations.settings,
    operations.migrate,
):
    mailctl.add_command(command)
