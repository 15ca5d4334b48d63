import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli.context import Context, show, table
from mail.errors import Invalid, Unavailable


@dataclass(frozen=True)
class Row:
    name: str
    octets: bytes


def test_a_table_is_as_wide_as_it_needs():
    assert table(("a", "bcd"), [("long", 1), ("x", None)]) == ["a     bcd", "long  1", "x     None"]


def test_an_empty_table_says_so():
    assert table(("a",), []) == ["none"]


def test_values_are_shown_as_json_or_lines(capsys: pytest.CaptureFixture[str]):
    show([Row("x", b"\x01")], True, "")
    assert json.loads(capsys.readouterr().out) == [{"name": "x", "octets": "01"}]
    show(Row("x", b""), False, ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


def test_without_settings_the_file_is_named(tmp_path: Path):
    with pytest.raises(Invalid) as caught:
        _ = Context(tmp_path).settings
    assert str(tmp_path / "mailstead.toml") in caught.value.public


def test_a_program_that_does_not_answer_is_named_with_the_remedy(tmp_path: Path):
    (tmp_path / "mailstead.toml").write_text(f'hostname = "x.example"\nrun_dir = "{tmp_path}"\n')
    with pytest.raises(Unavailable) as caught:
        Context(tmp_path).keeper("status", {})
    assert "keeper" in caught.value.public and "start the bundle" in caught.value.public


def test_closing_a_context_that_opened_nothing_is_harmless():
    Context(None).close()
