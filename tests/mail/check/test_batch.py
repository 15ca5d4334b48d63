"""Checks by the line: every answer in its place, whatever was asked, and other people's vectors through it."""

import base64
import json
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.check.batch import Batch
from mail.now import SetClock
from tests.vectors import vectors

BATCH = Batch(None, SetClock(), "us.test")


async def asked(**request: Any) -> dict[str, Any]:
    return await BATCH.answer(json.dumps(request, default=str).encode())


async def test_every_case_of_the_spf_suite_has_its_result_and_its_explanation():
    suite = vectors("spf-rfc7208") / "rfc7208-tests.yml"
    wrong: list[str] = []
    for scenario in yaml.safe_load_all(suite.read_bytes()):
        for name, case in scenario["tests"].items():
            answer = await asked(
                check="spf", zone=scenario["zonedata"], ip=case["host"], helo=case["helo"], mail_from=case["mailfrom"]
            )
            results = [case["result"]] if isinstance(case["result"], str) else case["result"]
            explained = case.get("explanation") in (None, answer.get("explanation") or "DEFAULT")
            if answer.get("result") not in results or not explained:
                wrong.append(f"{name}: {answer}")
    assert not wrong, "\n".join(wrong)


async def test_the_message_of_rfc_8463_has_two_good_signatures():
    folder = vectors("dkim-rfc")
    zone = {
        # The key of RFC 8463 appendix A.
        "brisbane._domainkey.football.example.com": [
            {"TXT": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}
        ],
        "test._domainkey.football.example.com": [{"TXT": (folder / "test.txt").read_text().strip()}],
    }
    octets = (folder / "rfc6376.signed.msg").read_bytes()
    answer = await asked(check="dkim", zone=zone, message=base64.b64encode(octets).decode(), now=1_528_637_909)
    assert [(one["result"], one["selector"]) for one in answer["signatures"]] == [
        ("pass", "brisbane"),
        ("pass", "test"),
    ]


@pytest.mark.parametrize(
    ("record", "spf", "wanted"),
    [
        ("v=DMARC1; p=reject", ("pass", "a.example"), ("pass", "reject", "none", "a.example")),
        ("v=DMARC1; p=reject", ("fail", "a.example"), ("fail", "reject", "reject", "a.example")),
        ("v=DMARC1; p=quarantine; pct=0", ("fail", "a.example"), ("fail", "quarantine", "none", "a.example")),
        ("v=DMARC1; p=none", ("pass", "b.example"), ("fail", "none", "none", "a.example")),
        ("v=spf1 -all", ("fail", "a.example"), ("none", "none", "none", "")),
    ],
)
async def test_dmarc_is_answered_with_what_applies(record: str, spf: tuple[str, str], wanted: tuple[str, ...]):
    answer = await asked(
        check="dmarc",
        zone={"_dmarc.a.example": [{"TXT": record}], "a.example": [{"A": "192.0.2.1"}]},
        from_domain="A.example.",
        spf={"result": spf[0], "domain": spf[1]},
        dkim=[],
    )
    assert tuple(answer[name] for name in ("result", "policy", "disposition", "domain")) == wanted


async def test_a_message_without_arc_has_no_chain_and_its_structure_is_told():
    octets = b"From: a@b.example\nSubject: x\n\ntext\n"
    message = base64.b64encode(octets).decode()
    assert (await asked(check="arc", zone={}, message=message))["cv"] == "none"
    answer = await asked(check="structure", message=message)
    assert '"x"' in answer["envelope"] and answer["bodystructure"].startswith('("TEXT" "PLAIN"') and answer["parts"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[]",
        b'{"check":"tea"}',
        b'{"check":["spf"]}',
        b'{"check":"spf","zone":{},"ip":"999"}',
        b'{"check":"spf","zone":[],"ip":"192.0.2.1"}',
        b'{"check":"spf","zone":{"a":[7]},"ip":"192.0.2.1"}',
        b'{"check":"dkim","zone":{},"message":7}',
        b'{"check":"dmarc","zone":{},"from_domain":{}}',
        b'{"check":"spf","ip":"192.0.2.1"}',
        b"\xff\xfe\x00",
    ],
)
async def test_a_bad_request_is_answered_with_what_is_wrong(line: bytes):
    answer = await BATCH.answer(line)
    assert list(answer) == ["error"] and answer["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["zone", "ip", "helo", "mail_from", "message", "now", "from_domain", "spf", "dkim"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["spf", "dkim", "arc", "dmarc", "structure"]), st.dictionaries(NAMES, JSON, max_size=6))
async def test_whatever_is_asked_is_answered(check: str, rest: dict[str, Any]):
    assert isinstance(await BATCH.answer(json.dumps({"check": check, **rest}).encode()), dict)


def test_dates_of_a_suite_are_texts():
    assert json.loads(json.dumps({"TXT": date(2026, 11, 25)}, default=str)) == {"TXT": "2026-11-25"}
