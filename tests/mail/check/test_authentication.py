"""The checks by the batch's requests: DKIM on other people's messages and keys, DMARC by a table."""

import base64
import time

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mail.check import authentication
from mail.dns.zone import ZoneResolver
from mail.message.line_ends import with_crlf
from tests.diagnose_requests import answer, texts
from tests.dkim_signer import MESSAGE, NOW, record, rsa_key, sign
from tests.dmarc_cases import TABLE
from tests.vectors import vectors

RSA_FILE, ED_SELECTOR = "test.private", "brisbane"


def octets(name: str) -> bytes:
    return (vectors("dkim-rfc") / name).read_bytes()


def text(name: str) -> str:
    return octets(name).decode().strip()


def rsa(name: str) -> RSAPrivateKey:
    key = load_pem_private_key(octets(name), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def ed25519(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(octets(name)))


async def results(message: bytes, zone: dict[str, str], now: int = NOW) -> list[tuple[str, str]]:
    """(selector, result) of each signature."""
    found = await answer("dkim", zone=texts(zone), message=message, now=now)
    assert all(one["reason"] or one["result"] == "pass" for one in found["signatures"])
    return [(one["selector"], one["result"]) for one in found["signatures"]]


async def result(message: bytes, zone: dict[str, str]) -> str:
    ((_, found),) = await results(message, zone)
    return found


async def test_the_signed_messages_of_others_are_judged_as_they_meant() -> None:
    football = "test._domainkey.football.example.com"
    good = {football: text("test.txt"), "brisbane._domainkey.football.example.com": record(ed25519("rfc8032_7_1.key"))}
    assert await results(octets("rfc6376.signed.msg"), good) == [("brisbane", "pass"), ("test", "pass")]
    assert await results(octets("rfc6376.signed.msg"), {}) == [("brisbane", "permerror"), ("test", "permerror")]
    signed = octets("rfc6376.signed.rsa.msg")
    for file, wanted in (
        ("test.txt", "pass"),
        ("test2.txt", "pass"),
        ("badk.txt", "permerror"),
        ("badversion.txt", "permerror"),
        ("test_bad.txt", "permerror"),
        ("test_tlsrpt.txt", "permerror"),
        ("eximtest.dns", "permerror"),
    ):
        assert await result(signed, {football: text(file)}) == wanted, file
    assert await result(octets("rfc6376.signed.no_t.msg"), good) == "fail"
    exim = {"sed._domainkey.test.ex": text("eximtest.dns")}
    assert await result(octets("ed25519test2.msg"), exim) == "pass"
    assert await result(octets("ed25519test2.msg").replace(b"content", b"contents"), exim) == "fail"
    assert await result(octets("test.message.baddomain"), {}) == "neutral"
    assert await result(octets("test2.message"), {"20120113._domainkey.gmail.com": text("test.txt")}) == "fail"


@pytest.mark.parametrize(
    "file",
    ["test.message", "test_extra.message", "ed25519test.msg", "rfc6376.msg", "rfc6376.w1258.msg", "message.mbox"],
)
async def test_messages_signed_with_the_keys_of_others_pass_until_they_are_changed(file: str) -> None:
    message = with_crlf(octets(file))
    zone = {"test._domainkey.example.com": text("test.txt"), "ed._domainkey.example.com": text("ed25519test.dns")}
    now = int(time.time())  # dkimpy signs with no other

    async def judged(signed: bytes) -> list[str]:
        """Of our two signatures: one of the files has others below."""
        return [found for _, found in (await results(signed, zone, now))[:2]]

    body = message.index(b"\r\n\r\n") + 4
    for canonical in ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"):
        field = dkim.sign(
            message,
            b"test",
            b"example.com",
            octets(RSA_FILE),
            canonicalize=tuple(canonical.encode().split(b"/")),
            include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
        )
        names = "From:To:Subject:Received:Received:Comments"
        both = field + sign(message, key=ed25519("ed25519test.key"), d="example.com", s="ed", c=canonical, h=names)
        assert await judged(both) == ["pass", "pass"], canonical
        assert await judged(both.replace(b"\r\n", b"\n")) == ["pass", "pass"], canonical
        for changed in (
            both + b"more\r\n",
            both.replace(message[body:], b"x" + message[body:]),
            both.replace(b"\r\nSubject: ", b"\r\nSubject: Re: "),
        ):
            assert await judged(changed) == ["fail", "fail"], canonical
        assert await judged(b"X-Foo: bar\r\n" + both) == ["pass", "pass"]
        for twice in (
            b"From: Eve <eve@e.example>\r\n" + both,
            both.replace(b"\r\nTo: ", b"\r\nFrom: e@e.example\r\nTo: "),
        ):
            assert await judged(twice) == ["permerror", "permerror"]


async def test_the_second_pair_of_keys_is_the_same_and_a_wrong_key_fails() -> None:
    message = sign(with_crlf(octets("test.message")), key=rsa("test2.private"), d="example.com", s="test")
    name = "test._domainkey.example.com"
    assert await result(message, {name: text("test.txt")}) == "pass"
    assert await result(message, {name: record(rsa_key())}) == "fail"


async def test_a_message_without_an_author_is_not_signed_well() -> None:
    message = sign(
        with_crlf(octets("test_nofrom.message")), key=rsa(RSA_FILE), d="example.com", s="test", h="to:subject"
    )
    assert await result(message, {"test._domainkey.example.com": text("test.txt")}) == "permerror"


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"l": "4"}, "policy"),
        ({"h": "from:to"}, "policy"),
        ({"h": "to:subject"}, "permerror"),
        ({"x": str(NOW - 1)}, "fail"),
        ({"t": str(NOW + 1000)}, "fail"),
        ({"t": str(NOW - 1), "x": str(NOW - 2)}, "neutral"),
        ({"x": str(NOW + 1), "t": str(NOW)}, "pass"),
        ({"v": "2"}, "neutral"),
        ({"v": None}, "neutral"),
        ({"a": "rsa-sha1"}, "permerror"),
        ({"a": "rsa-md5"}, "neutral"),
        ({"q": "other"}, "neutral"),
        ({"c": "nofws"}, "neutral"),
        ({"i": "@b.example"}, "permerror"),
        ({"i": "someone@sub.a.example"}, "pass"),
        ({"s": "none"}, "permerror"),
        ({"bh": "YWJj"}, "fail"),
        ({"new": "x"}, "pass"),
    ],
)
async def test_each_fault_of_a_signature_has_its_result(tags: dict[str, str | None], wanted: str) -> None:
    assert await result(sign(MESSAGE, **tags), {"rsa._domainkey.a.example": record(rsa_key())}) == wanted


async def test_a_key_that_cannot_be_had_now_is_a_temporary_error() -> None:
    zone = {"rsa._domainkey.a.example": ["TIMEOUT"]}
    found = await answer("dkim", zone=zone, message=sign(MESSAGE), now=NOW)
    assert found["signatures"][0]["result"] == "temperror"


@pytest.mark.parametrize("name", TABLE)
async def test_dmarc_comes_out_as_the_table_says(name: str) -> None:
    records, author, spf, signatures, wanted = TABLE[name]
    zone = texts({f"_dmarc.{domain}": found for domain, found in records.items() if found is not None})
    zone |= {f"_dmarc.{domain}": ["TIMEOUT"] for domain, found in records.items() if found is None}  # type: ignore[misc]
    zone["s.a.example"] = [{"A": "192.0.2.1"}]
    found = await answer("dmarc", zone=zone, from_domain=author, spf=spf, dkim=signatures)
    assert tuple(found.values()) == wanted


async def test_by_hand_all_is_told_that_can_be_said() -> None:
    resolver = ZoneResolver({"a.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ~all"}]})
    spf = await authentication.spf(resolver, ip="192.0.2.9", helo="mx.a.example", mail_from="x@a.example", receiver="r")
    assert (spf["result"], spf["mechanism"], spf["identity"]) == ("pass", "ip4:192.0.2.0/24", "mailfrom")
    with pytest.raises(ValueError, match="address"):
        await authentication.spf(resolver, ip="nonsense", helo="", mail_from="", receiver="")
    (one,) = await authentication.dkim(resolver, sign(MESSAGE), now=NOW)
    assert (one["result"], one["usable"], one["signed_fields"]) == (
        "permerror",
        False,
        ["from", "to", "subject", "date"],
    )
    assert (await authentication.arc(resolver, MESSAGE, now=NOW))["chain"] == ()
    dmarc = await authentication.dmarc(resolver, from_domain="a.example", spf=("pass", "a.example"), dkim=[])
    assert dmarc["result"] == "none" and "record" not in dmarc
