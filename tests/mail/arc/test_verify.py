import base64
import time
from typing import Any

import dkim
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.arc.verify import KEYS_MAX, ArcResult, finish, prepare, verify
from mail.dkim.key import Published
from mail.dns.fake import FakeResolver
from mail.message.fields import parse_header
from mail.message.line_ends import with_crlf
from tests.arc_cases import cases as own_cases
from tests.arc_sealer import ORDER, count, sealed
from tests.dkim_signer import MESSAGE, NOW, ed25519_key, record, rsa_key, zone
from tests.vectors import vectors

PUBLISHED = {"rsa._domainkey.a.example": Published((record(rsa_key()),))}


async def result(message: bytes, records: dict[str, list[str]] | None = None) -> ArcResult:
    return await verify(message, parse_header(message), FakeResolver(zone() if records is None else records), now=NOW)


def theirs(message: bytes) -> str | None:
    """dkimpy's opinion; None where the chain has been ended."""
    cv = dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: record(rsa_key()).encode())[0]
    return None if cv is None else cv.decode()


def theirs_of(message: bytes, records: dict[str, list[str]]) -> str:
    zone = {name.removeprefix("TXT ").encode() + b".": texts[0].encode() for name, texts in records.items()}
    return (dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: zone.get(name))[0] or b"fail").decode()


async def test_a_message_without_a_chain_asks_nothing() -> None:
    resolver = FakeResolver()
    assert (await verify(MESSAGE, parse_header(MESSAGE), resolver, now=NOW)).cv == "none" and resolver.asked == []


async def test_a_chain_of_three_passes_and_tells_who_sealed_it() -> None:
    message = sealed(sealed(sealed(MESSAGE)))
    found = await result(message)
    assert (found.cv, found.oldest_pass, found.reason) == ("pass", 0, "")
    assert [(hop.instance, hop.domain, hop.authres) for hop in found.chain] == [
        (1, "a.example", "x1.example; spf=pass"),
        (2, "a.example", "x2.example; spf=pass"),
        (3, "a.example", "x3.example; spf=pass"),
    ]
    assert theirs(message) == "pass"


async def test_a_change_before_a_seal_is_told_by_the_oldest_pass() -> None:
    changed = sealed(sealed(sealed(MESSAGE)).replace(b"Subject: Hello", b"Subject: [list] Hello"))
    found = await result(changed)
    assert (found.cv, found.oldest_pass) == ("pass", 3)


async def test_a_change_after_the_last_seal_fails() -> None:
    message = sealed(sealed(MESSAGE))
    for old, new in ((b"Dear", b"Fear"), (b"Subject: H", b"Subject: h"), (b"x1.example", b"y1.example")):
        changed = message.replace(old, new)
        assert (await result(changed)).cv == "fail" == theirs(changed), old


async def test_the_order_of_the_fields_in_the_header_does_not_matter() -> None:
    header = parse_header(sealed(sealed(MESSAGE)))
    fields = [field for field in header.fields if field.name in ORDER]
    rest = [field.raw for field in header.fields if field.name not in ORDER]
    message = b"".join([*(field.raw for field in fields[::-1]), *rest]) + b"\r\n" + MESSAGE.partition(b"\r\n\r\n")[2]
    assert (await result(message)).cv == "pass"


@pytest.mark.parametrize(
    ("ams", "tags"),
    [
        ({"h": "From:To:Subject:ARC-Seal"}, {}),
        ({"h": "To"}, {}),
        ({"bh": "YWJj"}, {}),
        ({"x": str(NOW - 1)}, {}),
        ({"t": str(NOW + 1000)}, {}),
        ({"l": "4"}, {}),
        ({"a": "rsa-sha1"}, {}),
        ({"i": "2"}, {}),
        ({"s": "unknown"}, {}),
        ({"bh": None}, {}),
        ({}, {"h": "From"}),
        ({}, {"cv": "pass"}),
        ({}, {"cv": "fail"}),
        ({}, {"cv": None}),
        ({}, {"a": "rsa-sha1"}),
        ({}, {"i": "0"}),
        ({}, {"d": None}),
        ({}, {"s": "unknown"}),
        ({}, {"t": "x"}),
    ],
)
async def test_a_set_that_breaks_a_rule_fails(ams: dict[str, str | None], tags: dict[str, str | None]) -> None:
    found = await result(sealed(MESSAGE, ams=ams, **tags))
    assert found.cv == "fail" and found.reason


@pytest.mark.parametrize(
    ("ams", "tags"),
    [
        ({"c": "simple/simple"}, {}),
        ({"c": "simple/relaxed"}, {}),
        ({"c": None}, {}),
        ({"c": None}, {"meant": "relaxed/relaxed"}),
        ({"q": "dns/txt", "v": "1", "new": "x"}, {}),
        ({"t": str(NOW), "x": str(NOW + 9)}, {}),
        ({"h": "from : from : SUBJECT : ARC-Authentication-Results"}, {}),
        ({}, {"t": "12345", "new": "x"}),
        ({}, {"c": "simple/simple"}),
        ({}, {"cv": " none ", "d": "A.Example"}),
    ],
)
async def test_what_the_rules_leave_open_passes(ams: dict[str, str | None], tags: dict[str, str | None]) -> None:
    assert await result(sealed(MESSAGE, ams=ams, **tags)) == await result(sealed(MESSAGE))


async def test_white_space_without_end_takes_linear_time() -> None:
    for note in ("x b" + "\r\n " * 10_000 + "y", "x b" + " \t" * 15_000 + "y"):
        for canonical in ("simple/simple", "relaxed/relaxed"):
            message = sealed(MESSAGE, ams={"c": canonical, "n": note})
            began = time.process_time()
            await result(message)
            assert time.process_time() - began < 1


async def test_a_chain_sealed_as_failed_stays_failed() -> None:
    assert (await result(sealed(sealed(MESSAGE), cv="fail"))).cv == "fail"
    assert (await result(sealed(sealed(sealed(MESSAGE), cv="fail")))).cv == "fail"


async def test_only_the_newest_message_signature_must_be_sound() -> None:
    found = await result(sealed(sealed(MESSAGE, ams={"h": "To"})))
    assert (found.cv, found.oldest_pass) == ("pass", 2)
    found = await result(sealed(sealed(MESSAGE, ams={"s": "unknown"})))
    assert (found.cv, found.oldest_pass) == ("pass", 2)


async def test_the_key_must_be_there_and_fit() -> None:
    message = sealed(MESSAGE)
    header = parse_header(message)
    failing = await verify(message, header, FakeResolver(failing=["TXT rsa._domainkey.a.example"]), now=NOW)
    assert (failing.cv, failing.temporary) == ("fail", True)
    for records in (
        [],
        ["v=DKIM1; p="],
        [record(rsa_key(1024))],
        [record(ed25519_key())],
        [record(rsa_key(), "h=sha1; ")],
    ):
        found = await result(message, {"TXT rsa._domainkey.a.example": records} if records else {})
        assert (found.cv, found.temporary) == ("fail", False), records
    assert (await result(message, {"TXT rsa._domainkey.a.example": ["nonsense", record(rsa_key())]})).cv == "pass"


def test_a_key_that_did_not_come_in_time_is_a_temporary_failure() -> None:
    message = sealed(MESSAGE)
    assert finish(prepare(message, parse_header(message), now=NOW), {}).temporary


async def test_the_number_of_keys_is_bounded() -> None:
    message = MESSAGE
    for number in range(KEYS_MAX + 1):
        message = sealed(message, s=f"s{number}", ams={"s": f"s{number}"})
    resolver = FakeResolver()
    assert (await verify(message, parse_header(message), resolver, now=NOW)).cv == "fail" and resolver.asked == []


CHAIN = sealed(sealed(MESSAGE))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_chain_never_raises_and_passes_only_if_nothing_sealed_changed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CHAIN)))
    new = data.draw(st.binary(max_size=3) | st.sampled_from([b" ", b"\r\n", b";", b"=", b"("]))
    changed = CHAIN[:at] + new + CHAIN[at + data.draw(st.integers(0, 3)) :]
    header = parse_header(changed)
    if finish(prepare(changed, header, now=NOW), PUBLISHED).cv == "pass":
        original = parse_header(CHAIN)
        for name in (*ORDER, b"from", b"to", b"subject", b"date"):
            kept = [b"".join(value.split()) for value in header.all(name)]
            assert kept[-2:] == [b"".join(value.split()) for value in original.all(name)], name
        assert changed[header.end :].split() == MESSAGE.partition(b"\r\n\r\n")[2].split()


async def test_every_chain_of_ours_has_the_state_the_rfc_gives_it() -> None:
    wrong = []
    for name, case in own_cases().items():
        message = with_crlf(case.message)
        resolver = FakeResolver({f"TXT {name}": list(texts) for name, texts in case.records.items()})
        found = await verify(message, parse_header(message), resolver, now=NOW)
        if found.cv != case.cv or bool(found.reason) != (case.cv == "fail"):
            wrong.append((name, case.cv, found.cv, found.reason))
    assert wrong == []


def cases() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    texts = (vectors("arc-sign") / "arc-draft-sign-tests.yml").read_text()
    scenarios = list(yaml.safe_load_all(texts))
    return [(name, case, scenario) for scenario in scenarios for name, case in scenario["tests"].items()]


async def test_what_others_seal_is_judged_as_they_sealed_it() -> None:
    listed = cases()
    assert len(listed) == 17
    for name, case, scenario in listed:
        message = with_crlf(case["message"].encode())
        domain, selector = scenario["domain"].encode(), scenario["sel"].encode()
        pem = scenario["privatekey"].encode()
        sets = dkim.arc_sign(
            message,
            selector,
            domain,
            pem,
            case["srv-id"].encode(),
            include_headers=case["sig-headers"].encode().split(b":"),
            timestamp=int(case["t"]),
            standardize=True,
        )
        whole = b"".join(sets) + message
        public = (
            load_pem_private_key(pem, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        records = {f"TXT {scenario['sel']}._domainkey.{scenario['domain']}": [f"p={base64.b64encode(public).decode()}"]}
        records |= {f"TXT {name}": [text] for name, text in (scenario.get("txt-records") or {}).items()}
        found = await result(whole, records)
        assert found.cv == ("fail" if "fail" in name or not sets else "pass"), (name, found)
        assert len(found.chain) == count(whole) and (found.cv == theirs_of(whole, records)), name
