"""mailctl junk, on corpora of its own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.commands import mailctl
from mail.errors import Invalid

WANTED = ("meeting", "minutes", "patch", "kernel", "compile", "thanks", "lunch", "review", "branch", "release")
JUNK = ("viagra", "lottery", "winner", "mortgage", "click", "guaranteed", "millions", "pills", "casino", "refinance")


def message(vocabulary: tuple[str, ...], seed: int) -> bytes:
    text = " ".join(vocabulary[(seed + at * at) % len(vocabulary)] for at in range(7))
    return f"From: a{seed}@b.example\nTo: me@c.example\nSubject: {vocabulary[seed % 10]}\n\n{text}\n".encode()


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """Two folders to learn from, a folder and an mbox to judge; one judged ham says what junk says."""
    paths = {name: tmp_path / name for name in ("ham", "spam", "judge-ham", "judge-spam")}
    for name, vocabulary in (("ham", WANTED), ("spam", JUNK), ("judge-ham", WANTED)):
        paths[name].mkdir()
        for seed in range(60 if name in ("ham", "spam") else 9):
            (paths[name] / str(seed)).write_bytes(message(vocabulary, seed))
    (paths["judge-ham"] / "odd").write_bytes(message(JUNK, 3))
    line = b"From x@y.example Thu Aug 22 12:36:23 2002\n"
    paths["judge-spam"].write_bytes(b"\n".join(line + message(JUNK, seed) for seed in range(5)))
    return paths


def evaluate(sources: dict[str, Path], *more: str) -> Result:
    words = [word for name, path in sources.items() for word in (f"--{name}", str(path))]
    return CliRunner().invoke(mailctl, ["junk", "eval", *words, *more])


def test_eval_prints_counts_and_rates_as_json(sources: dict[str, Path]):
    assert json.loads(evaluate(sources).output) == {
        "threshold": 0.95,
        "significant": True,
        "trained_ham": 60,
        "trained_spam": 60,
        "judged_ham": 10,
        "judged_spam": 5,
        "ham_wrong": 1,
        "spam_found": 5,
        "ham_wrong_rate": 0.1,
        "spam_found_rate": 1.0,
    }


def test_eval_takes_a_threshold(sources: dict[str, Path]):
    found = json.loads(evaluate(sources, "--threshold", "1", "--json").output)
    assert (found["threshold"], found["ham_wrong_rate"], found["spam_found_rate"]) == (1.0, 0.0, 0.0)
    assert evaluate(sources, "--threshold", "1.5").exit_code == 2


def test_a_source_without_messages_is_named(sources: dict[str, Path], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    result = evaluate(sources | {"judge-ham": tmp_path / "empty"})
    assert isinstance(result.exception, Invalid) and "empty" in result.exception.public
    assert evaluate(sources | {"ham": tmp_path / "none"}).exit_code == 2
