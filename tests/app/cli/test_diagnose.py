"""mailctl diagnose: with a zone file and nothing else, on a bundle where a store is needed, and by the line."""

import json
import subprocess
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from app.cli.commands import mailctl
from tests.bundle import ROOT, Bundle

ZONE = """
zonedata:
  a.example:
    - TXT: v=spf1 ip4:192.0.2.1 -all
  _dmarc.a.example:
    - TXT: v=DMARC1; p=reject
"""


def diagnosed(tmp_path: Path, *words: str, input: str | None = None) -> Any:
    zone = tmp_path / "zone.yml"
    zone.write_text(ZONE)
    result = CliRunner().invoke(
        mailctl, ["--dir", str(tmp_path), "diagnose", *words, "--zone", str(zone), "--json"], input=input
    )
    assert result.exception is None, result.output
    return json.loads(result.output)


def test_spf_is_checked_with_a_zone_file_and_no_settings(tmp_path: Path):
    found = diagnosed(tmp_path, "spf", "--ip", "192.0.2.1", "--mail-from", "x@a.example")
    assert (found["result"], found["mechanism"]) == ("pass", "ip4:192.0.2.1")
    assert diagnosed(tmp_path, "spf", "--ip", "192.0.2.9", "--mail-from", "x@a.example")["result"] == "fail"


def test_dmarc_dkim_and_arc_are_checked_with_a_zone_file(tmp_path: Path):
    assert diagnosed(tmp_path, "dmarc", "a.example", "--spf", "pass=a.example")["result"] == "pass"
    message = tmp_path / "m.eml"
    message.write_bytes(b"From: x@a.example\n\nx\n")
    assert diagnosed(tmp_path, "dkim", str(message)) == []
    assert diagnosed(tmp_path, "arc", str(message))["cv"] == "none"


def test_the_junk_filter_tells_its_opinion_of_a_file(bundle: Bundle, tmp_path: Path):
    message = tmp_path / "m.eml"
    message.write_bytes(b"From: x@a.example\nSubject: hello\n\nsome words\n")
    found = bundle.mailctl("diagnose", "junk", str(message), "--account", bundle.ready["account"])
    assert found["significant"] is False and 0 <= found["probability"] <= 1


def test_the_batch_answers_line_by_line_in_order_in_a_fresh_checkout(tmp_path: Path):
    lines = [
        '{"check":"spf","zone":{},"ip":"192.0.2.1","helo":"h.example","mail_from":"x@nowhere.example"}',
        "no json",
        '{"check":"dmarc","zone":{},"from_domain":"a.example","spf":{"result":"pass","domain":"a.example"},"dkim":[]}',
    ]
    run = subprocess.run(
        [str(ROOT / "mailctl"), "diagnose", "batch"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    first, second, third = map(json.loads, run.stdout.splitlines())
    assert first == {"result": "none", "explanation": ""}
    assert list(second) == ["error"]
    assert third["result"] == "none"
