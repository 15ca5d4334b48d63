from pathlib import Path
from typing import Any

import pytest

from app.cli.zone_file import read_zone
from mail.dns.zone import ZoneResolver
from mail.errors import Invalid
from tests.vectors import vectors


def read(tmp_path: Path, text: str | bytes) -> dict[str, Any]:
    path = tmp_path / "zone"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_zone(path)


ZONE = {"a.example": [{"TXT": "v=spf1 -all"}, "TIMEOUT"]}


@pytest.mark.parametrize(
    "text",
    [
        "a.example:\n  - TXT: v=spf1 -all\n  - TIMEOUT\n",
        '{"a.example": [{"TXT": "v=spf1 -all"}, "TIMEOUT"]}',
        "description: x\ntests: {}\nzonedata:\n  a.example: [{TXT: v=spf1 -all}, TIMEOUT]\n",
        '{"tests": {}, "zonedata": {"a.example": [{"TXT": "v=spf1 -all"}, "TIMEOUT"]}}',
        "---\na.example: [TXT: v=spf1 -all, TIMEOUT]\n...\n",
    ],
)
def test_a_zone_is_json_or_yaml_alone_or_as_a_suite_has_it(tmp_path: Path, text: str):
    assert read(tmp_path, text) == ZONE


def test_in_yaml_everything_is_the_text_that_is_written(tmp_path: Path):
    zone = read(tmp_path, "no: [{TXT: yes}, {TXT: 1.10}, {MX: [10, mx.no]}]\n1.2: [{AAAA: '1::2'}, {TXT: 2024-01-01}]")
    assert zone["no"] == [{"TXT": "yes"}, {"TXT": "1.10"}, {"MX": ["10", "mx.no"]}] and "1.2" in zone


async def test_the_mx_of_a_yaml_zone_is_one(tmp_path: Path):
    resolver = ZoneResolver(read(tmp_path, "a.example: [{MX: [10, mx.a.example]}]"))
    assert (await resolver.lookup("a.example", "MX")).records == ("10 mx.a.example.",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.example: [TXT: x]\na.example: [TXT: y]\n", "written twice"),
        ("- a\n", "names with a list"),
        ("", "names with a list"),
        ("zonedata: 3", "names with a list"),
        ("a: [", "neither"),
        (b"\xff\xfe\xff", "neither"),
        (b"a: \x00", "neither"),
        ("? [a, b]\n: c", "a name is a text"),
        ("a: 1\n---\nb: 2\n", "neither"),
        ("[" * 5000, "neither"),
        ("a: !!python/object/apply:os.getcwd []\n<<: {b: []}\n", ""),
    ],
)
def test_what_is_no_zone_is_told(tmp_path: Path, text: str | bytes, problem: str):
    if not problem:
        assert read(tmp_path, text) == {"a": [], "<<": {"b": []}}  # tags and merges mean nothing here
        return
    with pytest.raises(Invalid) as caught:
        read(tmp_path, text)
    assert problem in caught.value.public
    with pytest.raises(Invalid):
        read_zone(tmp_path / "none")


def test_every_scenario_of_the_suite_is_a_zone_file(tmp_path: Path):
    suite = (vectors("spf-rfc7208") / "rfc7208-tests.yml").read_text()
    scenarios = [one for one in suite.split("\n---") if "zonedata" in one]
    assert len(scenarios) == 16
    for scenario in scenarios:
        ZoneResolver(read(tmp_path, scenario))
