import subprocess
import sys

import click
from click.testing import CliRunner

from app.cli.loading import LoadedGroup

GROUP = LoadedGroup("all", places={"dict": "collections:OrderedDict", "junk": "app.cli.junk:junk"})


@GROUP.command()
def here() -> None:
    """Not loaded, as it is there."""
    click.echo("done")


def test_commands_are_found_where_they_are_said_to_be():
    context = click.Context(GROUP)
    assert GROUP.list_commands(context) == ["dict", "junk", "here"]
    found = GROUP.get_command(context, "junk")
    assert found is not None and found.name == "junk"
    assert CliRunner().invoke(GROUP, ["here"]).output == "done\n"
    assert CliRunner().invoke(GROUP, ["nowhere"]).exit_code == 2


def test_what_needs_no_database_loads_none():
    program = (
        "import sys; from app.cli.commands import mailctl\n"
        "mailctl(['diagnose', 'spf', '--help'], standalone_mode=False)\n"
        "sys.exit(bool({'sqlalchemy', 'redis', 'alembic'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
