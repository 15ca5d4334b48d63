import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.commands import mailctl
from app.cli.context import Context
from mail.errors import Invalid, NotFound
from mail.junk.words import message_numbers
from mail.store import accounts, junk_words
from mail.store.classes import HAM, NONE, SPAM
from tests.faults.keeper import KeeperFolder

HEAD = b"From: Ann <ann@a.example>\r\nSubject: x\r\n\r\n"
GOOD, JUNK = HEAD + b"meeting minutes kernel patch\r\n", HEAD + b"lottery winner casino pills\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    """A folder whose one account has learnt."""
    folder = KeeperFolder.make(tmp_path / "b").folder
    context = Context(folder)
    with context.store.write() as tx:
        (row,) = accounts.list_accounts(tx)
        counted = junk_words.Counted()
        for _ in range(60):
            counted.move(message_numbers(GOOD), NONE, HAM)
            counted.move(message_numbers(JUNK), NONE, SPAM)
        counted.write(tx, row.id)
    context.close()
    (folder / "junk.eml").write_bytes(JUNK)
    return folder


def run(folder: Path, *words: str, octets: bytes | None = None) -> Result:
    return CliRunner().invoke(mailctl, ["--dir", str(folder), "diagnose", "junk", *words], input=octets)


def test_the_verdict_and_its_words_are_shown(folder: Path):
    shown = run(folder, str(folder / "junk.eml")).output
    assert "verdict      junk" in shown and "lottery" in shown and "60 good messages, 60 junk" in shown
    assert "not junk" in run(folder, octets=GOOD).output


def test_as_json_all_of_it_is_told(folder: Path):
    found = json.loads(run(folder, str(folder / "junk.eml"), "--account", "mailstead", "--json").output)
    assert (found["account"], found["junk"], found["significant"]) == ("mailstead", True, True)
    assert found["spam_words"][0].keys() == {"word", "share", "ham", "spam"}


def test_the_account_must_be_clear(folder: Path):
    assert isinstance(run(folder, "--account", "nobody", octets=GOOD).exception, NotFound)
    context = Context(folder)
    with context.changing() as changes:
        accounts.add_account(changes, "second")
    context.close()
    result = run(folder, octets=GOOD)
    assert isinstance(result.exception, Invalid) and "--account" in result.exception.public
    assert "too little was learnt" in run(folder, "--account", "second", octets=GOOD).output
