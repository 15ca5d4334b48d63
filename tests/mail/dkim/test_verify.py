from collections.abc import Iterator

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dkim.key import Published
from mail.dkim.verify import KEYS_MAX, SIGNATURES_MAX, SignatureResult, finish, prepare, verify
from mail.dns.fake import FakeResolver
from mail.message.fields import parse_header
from mail.message.line_ends import with_crlf
from tests.dkim_signer import MESSAGE, NOW, ed25519_key, record, rsa_key, rsa_pem, sign, zone
from tests.vectors import vectors

RSA = {"TXT rsa._domainkey.a.example": [record(rsa_key())]}
PUBLISHED = {"rsa._domainkey.a.example": Published((record(rsa_key()),))}


async def results(message: bytes, records: dict[str, list[str]] | None = None, **more: object) -> list[SignatureResult]:
    resolver = FakeResolver(zone() if records is None else records)
    return await verify(message, parse_header(message), resolver, now=NOW, **more)  # type: ignore[arg-type]


async def only(message: bytes, records: dict[str, list[str]] | None = None, **more: object) -> SignatureResult:
    (result,) = await results(message, records, **more)
    return result


async def test_a_message_without_signatures_has_no_results_and_asks_nothing() -> None:
    resolver = FakeResolver()
    assert await verify(MESSAGE, parse_header(MESSAGE), resolver, now=NOW) == [] and resolver.asked == []


@pytest.mark.parametrize(
    "canonical", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "simple"]
)
async def test_both_algorithms_verify_in_every_canonicalization(canonical: str) -> None:
    message = sign(sign(MESSAGE, c=canonical), key=ed25519_key(), c=canonical, i="ann@mail.a.example")
    first, second = await results(message)
    assert (first.result, first.algorithm, first.key_bits, first.weak) == ("pass", "ed25519-sha256", 256, False)
    assert (second.result, second.algorithm, second.key_bits, second.weak) == ("pass", "rsa-sha256", 2048, False)
    assert (first.domain, first.selector, first.identity) == ("a.example", "ed", "ann@mail.a.example")
    assert first.usable and first.signed_fields == (b"from", b"to", b"subject", b"date")
    assert [len(one.tag_b) for one in (first, second)] == [8, 8]
    assert f"b={first.tag_b}".encode() in message and f"b={second.tag_b}".encode() in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Dear  Bob", b"Dear Eve"),
        (b"bye\r\n", b"bye\r\n\r\nBuy!\r\n"),
        (b"Subject: Hello", b"Subject: Hallo"),
        (b"From: Ann", b"From: Eve"),
        (b"h=From:To", b"h=From"),
    ],
)
async def test_what_was_signed_and_changed_fails(old: bytes, new: bytes) -> None:
    message = sign(MESSAGE)
    assert old in message
    assert (await only(message.replace(old, new, 1))).result == "fail"


async def test_changes_that_the_canonicalization_allows_do_not_matter() -> None:
    relaxed = MESSAGE.replace(b"Hello\t  there,\r\n\tBob", b"Hello there, Bob").replace(b"bye", b"bye \t")
    assert (await only(sign(MESSAGE).removesuffix(MESSAGE) + relaxed + b"\r\n\r\n")).result == "pass"
    simple = sign(MESSAGE, c="simple/simple").removesuffix(MESSAGE)
    assert (await only(simple + relaxed)).result == "fail"


async def test_a_length_is_never_a_pass() -> None:
    cut = sign(MESSAGE, l="4")
    assert (await only(cut)).result == "policy"
    assert not (await only(cut + b"added\r\n")).usable
    whole = sign(MESSAGE, l=str(len(b"Dear Bob,\r\n\r\nbye\r\n")))
    assert (await only(whole)).result == "policy"
    beyond = await only(sign(MESSAGE, l="1000"))
    assert (beyond.result, beyond.reason) == ("fail", "l= is beyond the end of the body")
    assert (await only(cut.replace(b"Dear", b"Fear"))).result == "fail"


async def test_from_and_subject_must_be_signed() -> None:
    assert (await only(sign(MESSAGE, h="To:Subject"))).result == "permerror"
    unsigned = await only(sign(MESSAGE, h="From:To"))
    assert (unsigned.result, unsigned.reason) == ("policy", "Subject field not signed")


@pytest.mark.parametrize("field", [b"From: Eve <eve@b.example>", b"Subject: Buy", b"Content-Type: text/html"])
async def test_a_second_field_beside_a_signed_one_is_no_pass(field: bytes) -> None:
    message = b"Content-Type: text/plain\r\n" + MESSAGE
    plain = sign(message, h="From:Subject:Content-Type")
    assert (await only(plain)).result == "pass"
    assert (await only(field + b"\r\n" + plain)).result in ("policy", "permerror")
    sealed = sign(message, h="From:From:Subject:Subject:Content-Type:Content-Type")
    assert (await only(sealed)).result == "pass"
    assert (await only(field + b"\r\n" + sealed)).result == "fail"


async def test_the_dns_decides_between_temporary_and_permanent() -> None:
    message = sign(MESSAGE)
    header = parse_header(message)
    name = "TXT rsa._domainkey.a.example"
    (failing,) = await verify(message, header, FakeResolver(failing=[name]), now=NOW)
    assert (failing.result, failing.domain) == ("temperror", "a.example")
    assert (await only(message, {})).result == "permerror"
    (secure,) = await verify(message, header, FakeResolver(RSA, secure=[name]), now=NOW)
    assert secure.result == "pass" and secure.secure


@pytest.mark.parametrize(
    ("records", "result"),
    [
        (["v=DKIM1; p="], "permerror"),
        (["nonsense"], "permerror"),
        ([record(ed25519_key())], "permerror"),
        ([record(rsa_key(), "h=sha1; ")], "permerror"),
        ([record(rsa_key(), "s=tlsrpt; ")], "permerror"),
        ([record(rsa_key(1024))], "fail"),
        (["nonsense", record(rsa_key())], "pass"),
        ([record(rsa_key(), "t=s; ")], "pass"),
    ],
)
async def test_the_key_record_is_obeyed(records: list[str], result: str) -> None:
    assert (await only(sign(MESSAGE), {"TXT rsa._domainkey.a.example": records})).result == result


async def test_reports_are_verified_with_the_key_for_reports() -> None:
    records = {"TXT rsa._domainkey.a.example": [record(rsa_key(), "s=tlsrpt; ")]}
    assert (await only(sign(MESSAGE), records, service="tlsrpt")).result == "pass"


async def test_a_strict_key_signs_for_no_subdomain() -> None:
    message = sign(MESSAGE, i="@mail.a.example")
    assert (await only(message)).result == "pass"
    assert (await only(message, zone(flags="t=s; "))).result == "permerror"


async def test_a_tested_key_that_fails_is_no_signature() -> None:
    message = sign(MESSAGE)
    good = await only(message, zone(flags="t=y; "))
    bad = await only(message.replace(b"Dear", b"Fear"), zone(flags="t=y; "))
    assert (good.result, good.testing) == ("pass", True)
    assert (bad.result, bad.testing, bad.reason) == ("none", True, "testing: body hash did not verify")


async def test_a_short_rsa_key_is_accepted_and_marked() -> None:
    records = {"TXT rsa._domainkey.a.example": [record(rsa_key(1024))]}
    result = await only(sign(MESSAGE, key=rsa_key(1024)), records)
    assert (result.result, result.key_bits, result.weak) == ("pass", 1024, True)


async def test_a_signature_out_of_its_time_fails() -> None:
    assert (await only(sign(MESSAGE, x=str(NOW - 1)))).result == "fail"
    assert (await only(sign(MESSAGE, t=str(NOW + 1000)))).result == "fail"
    assert (await only(sign(MESSAGE, t=str(NOW + 100), x=str(NOW + 1000)))).result == "pass"


async def test_unknown_tags_and_a_missing_default_are_no_fault() -> None:
    assert (await only(sign(MESSAGE, c=None, bh=None, new="x y"), zone())).result == "neutral"
    assert (await only(sign(MESSAGE, new="x y", z="From:ann"))).result == "pass"


async def test_a_key_that_did_not_come_in_time_is_a_temporary_error() -> None:
    message = sign(MESSAGE)
    assert finish(prepare(message, parse_header(message), now=NOW), {})[0].result == "temperror"


async def test_only_so_many_signatures_and_keys_are_looked_at() -> None:
    message = MESSAGE
    for number in range(SIGNATURES_MAX + 3):
        message = sign(message, s=f"s{number % (KEYS_MAX + 1)}")
    resolver = FakeResolver({f"TXT s{number}._domainkey.a.example": [record(rsa_key())] for number in range(6)})
    found = await verify(message, parse_header(message), resolver, now=NOW)
    assert len(found) == SIGNATURES_MAX and len(resolver.asked) == KEYS_MAX
    assert [one.result for one in found].count("pass") == 9
    assert found[KEYS_MAX].result == "policy"


async def test_odd_lines_in_the_header_change_nothing_for_the_signed_ones() -> None:
    message = b" folded\r\nno colon here\r\n: nothing\r\n" + sign(b"more nonsense\r\n" + MESSAGE)
    assert (await only(message)).result == "pass"


async def test_octets_beyond_ascii_are_signed_as_they_are() -> None:
    message = MESSAGE.replace(b"Hello", "Grüße \xff".encode("latin-1")).replace(b"bye", b"\x80\xff\x00")
    assert (await only(sign(message, c="simple/simple"))).result == "pass"


async def test_a_message_without_a_body_is_verified() -> None:
    header = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n"
    for canonical in ("simple/simple", "relaxed/relaxed"):
        message = sign(header, c=canonical)
        assert (await only(message)).result == "pass"
        assert (await only(message + b"\r\n\r\n\r\n")).result == "pass"
        assert (await only(message + b"\r\nx")).result == "fail"


SIGNED = sign(MESSAGE, c="relaxed/relaxed")
SIMPLE = sign(MESSAGE, c="simple/simple")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([SIGNED, SIMPLE]), st.data())
def test_a_changed_message_never_raises_and_passes_only_if_nothing_signed_changed(
    message: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(message)))
    cut = data.draw(st.integers(0, 3))
    new = data.draw(st.binary(max_size=3) | st.sampled_from([b" ", b"\r\n", b";", b"=", b":"]))
    changed = message[:at] + new + message[at + cut :]
    header = parse_header(changed)
    found = finish(prepare(changed, header, now=NOW), PUBLISHED)
    if any(one.result == "pass" for one in found):
        # What is signed, as a reader sees it: the same words.
        original = parse_header(message)
        for name in (b"from", b"to", b"subject", b"date"):
            assert [value.split() for value in header.all(name)][-1:] == [value.split() for value in original.all(name)]
        assert changed[header.end :].split() == message[original.end :].split()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300).map(lambda octets: b"DKIM-Signature: v=1; " + octets))
def test_any_octets_have_a_result(octets: bytes) -> None:
    for one in finish(prepare(octets, parse_header(octets), now=NOW), {}):
        assert one.result and one.reason


def vector(name: str) -> bytes:
    return (vectors("dkim-rfc") / name).read_bytes()


def texts(**names: str) -> dict[str, list[str]]:
    return {f"TXT {name}": [vector(file).decode().strip()] for name, file in names.items()}


def example(selector: str, domain: str, file: str) -> dict[str, list[str]]:
    return {f"TXT {selector}._domainkey.{domain}": [vector(file).decode().strip()]}


async def test_the_message_of_rfc_8463_verifies_with_both_signatures() -> None:
    message = with_crlf(vector("rfc6376.signed.msg"))
    # The keys of RFC 8463 appendix A.
    ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    records = {
        "TXT brisbane._domainkey.football.example.com": [ed25519],
        **example("test", "football.example.com", "test.txt"),
    }
    found = await results(message, records)
    assert [(one.result, one.selector) for one in found] == [("pass", "brisbane"), ("pass", "test")]


async def test_the_messages_of_others_have_the_result_that_was_meant() -> None:
    domain = "football.example.com"
    rsa = with_crlf(vector("rfc6376.signed.rsa.msg"))
    assert (await only(rsa, example("test", domain, "test.txt"))).result == "pass"
    assert (await only(rsa, example("test", domain, "test2.txt"))).result == "pass"
    for file in ("badk.txt", "badversion.txt", "test_bad.txt", "test_tlsrpt.txt"):
        assert (await only(rsa, example("test", domain, file))).result == "permerror", file
    changed = with_crlf(vector("rfc6376.signed.no_t.msg"))  # its x= came after it was signed
    assert (await only(changed, example("test", domain, "test.txt"))).result == "fail"
    bad = await only(with_crlf(vector("test.message.baddomain")), {})
    assert (bad.result, bad.domain) == ("neutral", "")
    exim = with_crlf(vector("ed25519test2.msg"))
    assert (await only(exim, example("sed", "test.ex", "eximtest.dns"))).result == "pass"


def letters() -> Iterator[bytes]:
    """Other people's messages that dkimpy can read."""
    for folder in ("mime-cpython", "mime-ruby-mail", "bounces-flufl"):
        for path in sorted(vectors(folder).rglob("*")):
            if path.is_file() and path.suffix in (".txt", ".eml", ""):
                octets = with_crlf(path.read_bytes())
                if octets.startswith(b"From "):
                    octets = octets.partition(b"\r\n")[2]
                if parse_header(octets).first(b"from") is not None and not parse_header(octets).defects:
                    yield octets


def test_what_dkimpy_signs_verifies_and_changed_mail_has_the_same_verdict() -> None:
    policies = [(a, b) for a in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")]
    signed = 0
    published = record(rsa_key()).encode()
    for number, message in enumerate(letters()):
        try:
            field = dkim.sign(
                message,
                b"rsa",
                b"a.example",
                rsa_pem(),
                canonicalize=policies[number % 4],
                include_headers=[b"from", b"subject"],
            )
        except dkim.DKIMException:
            continue
        signed += 1
        for changed in (
            message,
            message + b"more\r\n",
            message.replace(b"e", b"E"),
            message.replace(b"\r\n\r\n", b"\r\n \r\n"),
        ):
            whole = field + changed
            mine = finish(prepare(whole, parse_header(whole), now=2**33), PUBLISHED)[0]
            try:
                theirs = dkim.verify(whole, dnsfunc=lambda name, timeout=5: published)
            except dkim.DKIMException:
                theirs = False
            assert (mine.result in ("pass", "policy")) == theirs, (mine, whole[:2000])
        assert finish(prepare(field + message, parse_header(field + message), now=2**33), PUBLISHED)[0].result in (
            "pass",
            "policy",
        )
    assert signed > 100
