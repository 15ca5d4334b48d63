import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import junk_store
from app.cli.context import Context
from mail.errors import NotFound
from mail.now import SetClock
from tests.faults.keeper import KeeperFolder
from tests.mail.store.pupil import Pupil, hashes

RETRAIN, STATUS = junk_store.commands(hashes)


@pytest.fixture
def context(tmp_path: Path) -> Any:
    made = Context(KeeperFolder.make(tmp_path / "b").folder)
    yield made
    made.close()


@pytest.fixture
def pupil(context: Context, clock: SetClock) -> Pupil:
    """Of account ann1."""
    return Pupil(context.store, clock, blobs=1)


def told(context: Context, command: Any, *words: str) -> Any:
    result = CliRunner().invoke(command, [*words, "--json"], obj=context)
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)


def test_status_tells_what_was_learnt_and_what_waits(context: Context, pupil: Pupil):
    pupil.deliver("cheap watches", "Junk")
    expected = {"account": "ann1", "hams": 0, "spams": 0, "words": 0, "pending": 1}
    assert told(context, STATUS, "ann1") == expected
    pupil.learn()
    assert told(context, STATUS, "ann1") == expected | {"spams": 1, "words": 2, "pending": 0}


def test_one_account_or_all_are_counted_anew(context: Context, pupil: Pupil):
    pupil.deliver("cheap watches", "Junk")
    pupil.deliver("words", "Archive")
    counted = {"account": "ann1", "hams": 1, "spams": 1, "words": 3}
    assert told(context, RETRAIN, "ann1") == [counted]
    assert counted in told(context, RETRAIN)
    assert pupil.word("cheap") == (0, 1)
    pupil.check()


def test_long_work_tells_how_far_it_is(context: Context, pupil: Pupil):
    for number in range(120):
        pupil.deliver(f"w{number}", "Junk")
    result = CliRunner().invoke(RETRAIN, ["ann1"], obj=context)
    assert "account ann1: 120 of 120 messages" in result.output and "spams" in result.output


def test_an_account_there_is_not_is_named(context: Context):
    result = CliRunner().invoke(RETRAIN, ["nobody"], obj=context)
    assert isinstance(result.exception, NotFound)
