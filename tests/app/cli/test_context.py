from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.cli.context import Context, pass_context
from app.cli.place import Place
from mail.errors import Unavailable


def test_a_program_that_does_not_answer_is_named_with_the_remedy(tmp_path: Path):
    (tmp_path / "mailstead.toml").write_text(f'hostname = "x.example"\nrun_dir = "{tmp_path}"\n')
    with pytest.raises(Unavailable) as caught:
        Context(tmp_path).keeper("status", {})
    assert "keeper" in caught.value.public and "start the bundle" in caught.value.public


def test_closing_a_context_that_opened_nothing_is_harmless():
    Context(None).close()


def test_a_command_has_the_context_of_the_place_and_closes_it(tmp_path: Path):
    seen: list[Context] = []

    @click.command()
    @pass_context
    def command(context: Context) -> None:
        seen.append(context)
        vars(context)["store"] = closing

    class Closing:
        closed = False

        def close(self) -> None:
            self.closed = True

    closing = Closing()
    assert CliRunner().invoke(command, [], obj=Place(tmp_path)).exit_code == 0
    assert seen[0].folder == tmp_path and closing.closed
    given = Context(tmp_path)
    assert CliRunner().invoke(command, [], obj=given).exit_code == 0 and seen[1] is given
