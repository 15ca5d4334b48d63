from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from app.cli.commands import mailctl


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None and command.name == name
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


ALL = dict(commands(mailctl))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]):
    result = CliRunner().invoke(mailctl, [*words, "--help"])
    assert result.exit_code == 0
    assert ALL[words].help


@pytest.mark.parametrize("words", sorted(ALL.keys() - {("settings", "page")}), ids=" ".join)
def test_every_command_takes_json(words: tuple[str, ...]):
    assert any(option.name == "as_json" for option in ALL[words].params)
