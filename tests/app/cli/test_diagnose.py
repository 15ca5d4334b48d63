"""mailctl diagnose, in this process and as the program it is."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.commands import mailctl
from mail.errors import Invalid
from tests.arc_sealer import sealed
from tests.bundle import ROOT, Bundle
from tests.dkim_signer import MESSAGE, NOW, record, rsa_key, sign
from tests.vectors import vectors

pytestmark = pytest.mark.usefixtures("no_host")

ZONE = {
    "a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all exp=why.a.example"}],
    "why.a.example": [{"TXT": "%{i} is not ours"}],
    "_dmarc.a.example": [{"TXT": "v=DMARC1; p=reject"}],
    "rsa._domainkey.a.example": [{"TXT": record(rsa_key())}],
}


@pytest.fixture
def zone(tmp_path: Path) -> str:
    path = tmp_path / "zone.yaml"
    path.write_text(yaml.safe_dump(ZONE))
    return str(path)


def run(*words: str, octets: bytes = b"") -> Result:
    return CliRunner().invoke(mailctl, ["diagnose", *words], input=octets)


def told(*words: str, octets: bytes = b"") -> Any:
    result = run(*words, "--json", octets=octets)
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)


def test_spf_is_told_with_the_term_that_decided(zone: str):
    asked = ("spf", "--ip", "192.0.2.9", "--mail-from", "x@a.example", "--helo", "mx.a.example", "--zone", zone)
    found = told(*asked)
    assert (found["result"], found["explanation"], found["mechanism"]) == ("fail", "192.0.2.9 is not ours", "-all")
    shown = run(*asked).output
    assert shown.startswith("result       fail\n") and "192.0.2.9 is not ours" in shown
    wrong = run("spf", "--ip", "nonsense", "--zone", zone)
    assert isinstance(wrong.exception, Invalid) and "--ip nonsense" in wrong.exception.public


def test_dkim_is_told_by_signature(zone: str, tmp_path: Path):
    path = tmp_path / "signed.eml"
    path.write_bytes(sign(sign(MESSAGE), x=str(NOW)))
    found = told("dkim", str(path), "--zone", zone, "--now", str(NOW + 1))
    assert [(one["result"], one["reason"]) for one in found] == [("fail", "signature expired"), ("pass", "")]
    shown = run("dkim", "--zone", zone, octets=sign(MESSAGE)).output
    assert "result" in shown and "pass" in shown and "rsa" in shown
    assert "no DKIM signature" in run("dkim", "--zone", zone, octets=MESSAGE).output


def test_arc_is_told_with_its_hops(zone: str):
    found = told("arc", "--zone", zone, "--now", str(NOW), octets=sealed(sealed(MESSAGE)))
    assert (found["cv"], [hop["domain"] for hop in found["chain"]]) == ("pass", ["a.example", "a.example"])
    shown = run("arc", "--zone", zone, octets=sealed(sealed(MESSAGE))).output
    assert (
        "cv" in shown
        and "x1.example; spf=pass" in shown
        and "Hop(" not in shown
        and "{" not in shown
        and "  x1" in shown
    )


def test_dmarc_is_told_with_what_is_aligned(zone: str):
    found = told("dmarc", "a.example", "--spf", "pass=b.example", "--dkim", "fail=a.example", "--zone", zone)
    assert (found["result"], found["policy"], found["disposition"]) == ("fail", "reject", "reject")
    assert told("dmarc", "a.example", "--dkim", "pass=a.example", "--zone", zone)["aligned_dkim"] is True
    assert "disposition" in run("dmarc", "a.example", "--zone", zone).output


def test_structure_is_told_part_by_part(tmp_path: Path):
    octets = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\n--b--\n"
    )
    found = told("structure", octets=octets)
    assert [one["path"] for one in found["parts"]] == ["TEXT", "1", "2"]
    shown = run("structure", octets=octets).output
    assert (
        "multipart/mixed" in shown
        and "text/html" in shown
        and "{" not in shown.split("bodystructure")[1].split("\n\n")[1]
    )


def test_without_a_zone_and_without_settings_there_is_no_dns():
    for words in (("spf", "--ip", "::1"), ("dkim",), ("arc",), ("dmarc", "a.example")):
        result = run(*words)
        assert isinstance(result.exception, Invalid) and "--zone" in result.exception.public


def test_the_batch_asks_the_zone_of_the_command_where_a_request_has_none(zone: str):
    lines = [{"check": "spf", "ip": "192.0.2.1", "mail_from": "x@a.example"}, {"check": "nothing"}]
    lines.append(lines[0] | {"zone": {}})
    octets = b"\xff\n\n" + "\n".join(map(json.dumps, lines)).encode()
    answers = [json.loads(line) for line in run("batch", "--zone", zone, octets=octets).output.splitlines()]
    assert ["error" in one for one in answers] == [True, False, True, False]
    assert [answers[at]["result"] for at in (1, 3)] == ["pass", "none"]
    assert "error" in json.loads(run("batch", octets=json.dumps(lines[0]).encode()).output)


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [str(ROOT / "mailctl"), "diagnose", "batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(20) == 0


def ask(running: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write(line + b"\n")
    running.stdin.flush()
    found: dict[str, Any] = json.loads(running.stdout.readline())
    return found


def test_the_program_answers_line_by_line_while_its_input_stays_open(program: subprocess.Popen[bytes]):
    good = json.dumps({"check": "spf", "zone": ZONE, "ip": "192.0.2.1", "mail_from": "x@a.example"}).encode()
    large = base64.b64encode(b"Subject: x\r\n\r\n" + b"text " * (8 << 20))
    bad = [b"nonsense", b"\xff\xfe", b"\0" * 100, b"[]", b"[" * 100_000, b"x" * (50 << 20), b'{"check":"spf"}']
    for line in bad:
        assert "error" in ask(program, line)
        assert ask(program, good) == {"result": "pass", "explanation": ""}
    found = ask(program, b'{"check":"structure","message":"' + large + b'"}')
    assert found["size"] == 14 + 5 * (8 << 20)
    assert ask(program, b"\n\r\n" + good)["result"] == "pass"


def test_the_program_starts_without_the_database(tmp_path: Path):
    times = []
    for _ in range(3):
        began = time.monotonic()
        command = [str(ROOT / "mailctl"), "diagnose", "batch"]
        assert subprocess.run(command, input=b"{}\n", capture_output=True, check=True).stdout.startswith(b'{"error"')
        times.append(time.monotonic() - began)
    assert min(times) < 2  # a quarter of a second where nothing else runs


def test_all_cases_of_rfc_7208_go_through_the_program_in_order():
    suite = vectors("spf-rfc7208") / "rfc7208-tests.yml"
    requests, wanted = [], []
    for scenario in yaml.safe_load_all(suite.read_bytes()):
        for case in scenario["tests"].values():
            request = {"check": "spf", "zone": scenario["zonedata"], "ip": case["host"], "helo": case["helo"]}
            requests.append(json.dumps(request | {"mail_from": case["mailfrom"]}))
            wanted.append(case["result"] if isinstance(case["result"], str) else case["result"][0])
    command = [str(ROOT / "mailctl"), "diagnose", "batch"]
    done = subprocess.run(command, input="\n".join(requests).encode(), capture_output=True, check=True)
    assert [json.loads(line)["result"] for line in done.stdout.splitlines()] == wanted and len(wanted) == 203


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
