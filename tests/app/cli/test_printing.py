import json
from dataclasses import dataclass

import pytest

from app.cli.printing import show, table


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
