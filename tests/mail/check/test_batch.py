"""The batch: its protocol, and everybody's vectors through it."""

import base64
import io
import json
import re
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import dkim
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.check.batch import Batch, lines_of
from mail.dns.zone import ZoneResolver
from mail.now import SetClock
from tests.arc_cases import cases
from tests.diagnose_requests import BATCH, answer, texts
from tests.dkim_signer import MESSAGE, NOW, record, rsa_key, sign
from tests.imap_shapes import read_body, read_envelope
from tests.vectors import vectors

SPF = b'{"check":"spf","zone":{"a.example":[{"TXT":"v=spf1 ip4:192.0.2.1 -all"}]},"mail_from":"x@a.example"'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"nonsense", "not JSON"),
        (b"\0", "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b'{"check":"spf"', "not JSON"),
        (b'{"check":"dkim","now":1e999}', "not JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", "check is one of spf, dkim, arc, dmarc, structure"),
        (b'{"check":"junk"}', "check is one of"),
        (b'{"check":["spf"]}', "check is one of"),
        (b'{"check":null}', "check is one of"),
        (SPF + b"}", "ip is missing"),
        (SPF + b',"ip":""}', "ip: "),
        (SPF + b',"ip":"192.0.2"}', "ip: "),
        (SPF + b',"ip":"192.0.2.1\\u0000"}', "ip: "),
        (SPF + b',"ip":5}', "ip should be a text"),
        (SPF + b',"ip":"192.0.2.1","helo":[]}', "helo should be a text"),
        (b'{"check":"spf","ip":"192.0.2.1"}', "zone is missing"),
        (b'{"check":"spf","ip":"192.0.2.1","zone":[]}', "bad zone"),
        (b'{"check":"spf","ip":"192.0.2.1","zone":"x"}', "bad zone"),
        (b'{"check":"spf","ip":"192.0.2.1","zone":{"a":{}}}', "bad zone"),
        (b'{"check":"spf","ip":"192.0.2.1","zone":{"a":[{"A":"x"}]}}', "bad zone"),
        (b'{"check":"dkim","zone":{}}', "message is missing"),
        (b'{"check":"arc","zone":{},"message":null}', "message is missing"),
        (b'{"check":"structure","message":{}}', "message should be a text"),
        (b'{"check":"structure","message":"YQ"}', "not base64"),
        (b'{"check":"structure","message":"YQ=!="}', "not base64"),
        (b'{"check":"structure","message":"\xc3\xa4"}', "not base64"),
        (b'{"check":"dkim","zone":{},"message":"","now":"1"}', "now should be"),
        (b'{"check":"dkim","zone":{},"message":"","now":true}', "now should be"),
        (b'{"check":"dkim","zone":{},"message":"","now":-1}', "now should be"),
        (b'{"check":"arc","zone":{},"message":"","now":1e300}', "now should be"),
        (b'{"check":"dmarc","zone":{}}', "from_domain is missing"),
        (b'{"check":"dmarc","zone":{},"from_domain":"a.example","spf":"pass"}', "spf: a result"),
        (b'{"check":"dmarc","zone":{},"from_domain":"a.example","spf":{"result":1}}', "result should be a text"),
        (b'{"check":"dmarc","zone":{},"from_domain":"a.example","dkim":{}}', "dkim should be a list"),
        (b'{"check":"dmarc","zone":{},"from_domain":"a.example","dkim":["x"]}', "dkim: a result"),
    ],
)
async def test_what_cannot_be_answered_says_why(line: bytes, problem: str) -> None:
    found = await BATCH.answer(line)
    assert list(found) == ["error"] and problem in found["error"]


async def test_each_check_answers_with_what_was_promised() -> None:
    spf = await BATCH.answer(SPF + b',"ip":"192.0.2.1"}')
    assert spf == {"result": "pass", "explanation": ""}
    key = texts({"rsa._domainkey.a.example": record(rsa_key())})
    signed = await answer("dkim", zone=key, message=sign(MESSAGE), now=NOW)
    assert signed == {"signatures": [{"domain": "a.example", "selector": "rsa", "result": "pass", "reason": ""}]}
    assert await answer("dkim", zone={}, message=b"") == {"signatures": []}
    assert await answer("arc", zone={}, message=MESSAGE) == {"cv": "none", "reason": ""}
    assert await answer("dmarc", zone={}, from_domain="a.example") == {
        "result": "none",
        "policy": "none",
        "disposition": "none",
        "domain": "",
    }
    found = await answer("structure", message=MESSAGE)
    assert {"envelope", "bodystructure", "parts", "defects"} <= found.keys()
    assert isinstance(found["envelope"], str) and isinstance(found["bodystructure"], str)


async def test_base64_may_be_folded_and_unix_lines_are_taken_for_lines() -> None:
    text = base64.encodebytes(sign(MESSAGE).replace(b"\r\n", b"\n")).decode()
    zone = texts({"rsa._domainkey.a.example": record(rsa_key())})
    found = await answer("dkim", zone=zone, message=text.replace("\n", "\r\n "), now=NOW)
    assert [one["result"] for one in found["signatures"]] == ["pass"]


async def test_the_time_is_the_clocks_unless_it_is_given() -> None:
    clock = SetClock()
    zone = texts({"rsa._domainkey.a.example": record(rsa_key())})
    batch = Batch(ZoneResolver(zone), clock, "x")
    request: dict[str, Any] = {
        "check": "dkim",
        "message": base64.b64encode(sign(MESSAGE, x=str(clock.wall_ms() // 1000 + 10))).decode(),
    }
    results = []
    for more in ({}, {"now": clock.wall_ms() // 1000 + 10.5}, {"now": clock.wall_ms() // 1000 + 11}):
        found = await batch.answer(json.dumps(request | more).encode())
        results.append(found["signatures"][0]["result"])
    assert results == ["pass", "pass", "fail"]


def test_lines_come_whole_and_empty_ones_not_at_all() -> None:
    assert list(lines_of(io.BytesIO(b"a\n\n \r\n\xff\0\nb"))) == [b"a\n", b"\xff\0\n", b"b"]


@pytest.mark.parametrize("length", [9, 10, 11, 19, 20, 21, 35])
def test_a_line_that_is_too_long_is_one_bad_line(length: int) -> None:
    found = list(lines_of(io.BytesIO(b"{" * length + b"\n" + b"next\n"), longest=10))
    assert found[1:] == [b"next\n"] and found[0].strip() == b"{" * min(length, 10)


words = st.text(max_size=8) | st.sampled_from(["spf", "a.example", "192.0.2.1", "pass", "TIMEOUT", "YQ==", "v=spf1 a"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
names = st.sampled_from(["zone", "ip", "helo", "mail_from", "message", "now", "from_domain", "spf", "dkim"])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["spf", "dkim", "arc", "dmarc", "structure"]), st.dictionaries(names, values, max_size=8))
async def test_whatever_a_request_holds_there_is_an_answer(check: str, request: dict[str, Any]) -> None:
    line = json.dumps({"zone": {}, "ip": "::1", "message": "", "from_domain": "a.example", **request, "check": check})
    found = await BATCH.answer(line.encode())
    assert found and json.dumps(found)


async def test_every_case_of_rfc_7208_has_its_result_and_its_explanation() -> None:
    """Where the suite has DEFAULT the domain has no words of its own, and we have none for it."""
    suite = vectors("spf-rfc7208") / "rfc7208-tests.yml"
    wrong, count = [], 0
    for scenario in yaml.safe_load_all(suite.read_bytes()):
        for name, case in scenario["tests"].items():
            count += 1
            request = {"ip": case["host"], "helo": case["helo"], "mail_from": case["mailfrom"]}
            found = await answer("spf", zone=scenario["zonedata"], **request)
            wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
            explanation = case.get("explanation", found["explanation"]).replace("DEFAULT", "")
            if found != {"result": wanted[0], "explanation": explanation}:
                wrong.append((name, case, found))
    assert wrong == [] and count == 203


async def test_every_chain_has_its_state() -> None:
    wrong = []
    for name, case in cases().items():
        found = await answer("arc", zone=texts(case.records), message=case.message, now=NOW)
        if found["cv"] != case.cv or bool(found["reason"]) != (case.cv == "fail"):
            wrong.append((name, case.cv, found))
    assert wrong == []


def public_key(pem: bytes) -> str:
    key = load_pem_private_key(pem, None).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


async def test_what_dkimpy_seals_of_the_signing_suite_passes_until_it_is_changed() -> None:
    suite = (vectors("arc-sign") / "arc-draft-sign-tests.yml").read_text()
    count = 0
    for scenario in yaml.safe_load_all(suite):
        pem = scenario["privatekey"].encode()
        zone = texts({f"{scenario['sel']}._domainkey.{scenario['domain']}": f"p={public_key(pem)}"})
        zone |= texts(scenario.get("txt-records") or {})
        for name, case in scenario["tests"].items():
            message = case["message"].encode()
            sets = dkim.arc_sign(
                message.replace(b"\n", b"\r\n"),
                scenario["sel"].encode(),
                scenario["domain"].encode(),
                pem,
                case["srv-id"].encode(),
                include_headers=case["sig-headers"].encode().split(b":"),
                timestamp=int(case["t"]),
                standardize=True,
            )
            count += 1
            if not sets:
                continue
            sealed = b"".join(sets).replace(b"\r\n", b"\n") + message
            found = await answer("arc", zone=zone, message=sealed)
            assert found["cv"] == ("fail" if "fail" in name else "pass"), (name, found)
            spoilt = [sealed + b"more\n", sealed.replace(b"ARC-Seal: a=rsa", b"ARC-Seal: a=r", 1)]
            for one in [*spoilt, b"".join(sets[1:]) + message, sets[0] + sealed]:
                assert (await answer("arc", zone=zone, message=one))["cv"] == "fail", name
            assert (await answer("arc", zone={}, message=sealed))["cv"] == "fail"
    assert count == 17


async def test_organizations_are_parted_as_the_suffix_list_parts_them() -> None:
    """A record at a public suffix aligns what one organization has, and never its customers with each other."""
    checks = re.findall(
        r"^checkPublicSuffix\('([^']+)', '([^']+)'\);", (vectors("psl") / "test_psl.txt").read_text(), re.MULTILINE
    )
    assert len(checks) > 40
    for name, organization in checks:
        suffix = organization.partition(".")[2].encode("idna").decode()
        if suffix == "kobe.jp":
            continue  # an exception to *.kobe.jp; above it anybody's names are one organization's
        zone = texts({f"_dmarc.{suffix}": "v=DMARC1; p=reject"})
        for domain, result in ((f"x.{organization}", "pass"), (f"x.elsewhere.{suffix}", "fail")):
            found = await answer("dmarc", zone=zone, from_domain=name, spf={"result": "pass", "domain": domain})
            assert (found["result"], found["domain"]) == (result, suffix), (name, domain)


def letters() -> list[Path]:
    return [
        path
        for folder in ("mime-cpython", "mime-ruby-mail", "bounces-flufl")
        for path in sorted(vectors(folder).rglob("*"))
        if path.is_file() and path.name not in ("LICENSE", "SOURCE")
    ]


def walked(message: Message) -> list[str]:
    """The types of the parts as Python's reader has them, but IMAP looks into no other message/* than rfc822."""
    inside = message.get_payload() if message.is_multipart() else []
    if message.get_content_maintype() == "message" and message.get_content_subtype() not in ("rfc822", "global"):
        inside = []
    return [message.get_content_type(), *(kind for one in inside for kind in walked(one))]


async def test_every_message_of_others_has_a_structure_that_imap_can_say() -> None:
    assert len(letters()) > 250
    alike = 0
    for path in letters():
        octets = path.read_bytes()
        found = await answer("structure", message=octets)
        for part in found["parts"]:
            offsets = part["offsets"]
            assert 0 <= offsets["header"] <= offsets["body"] <= offsets["end"] <= found["size"]
            assert part["size"] == offsets["end"] - offsets["body"]
        charset = "latin-1" if any(ord(one) > 0x7F for one in found["envelope"] + found["bodystructure"]) else "ascii"
        for read, text in ((read_envelope, found["envelope"]), (read_body, found["bodystructure"])):
            try:
                read(text.encode())
            except ValueError:
                read(text.encode(charset))
        if not {"multipart-without-parts", "multipart-without-boundary"} & set(found["defects"]):
            assert [one["type"] for one in found["parts"]] == walked(message_from_bytes(octets)), path.name
            alike += 1
    assert alike > 240
