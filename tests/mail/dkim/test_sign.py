"""Our signatures, judged by our verifier and by dkimpy, which nobody here wrote."""

import time
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.dkim.sign import LIFE_SECONDS, SEALED, Prepared, Signer, prepare, quoted, signature_field
from mail.dkim.verify import SignatureResult, verify
from mail.dns.fake import FakeResolver
from mail.message.fields import parse_header
from mail.message.line_ends import with_crlf
from tests.dkim_signer import MESSAGE, ed25519_key, record, rsa_key, signature_of, zone
from tests.vectors import vectors

NOW = int(time.time())
KEYS = {"rsa": rsa_key(), "ed25519": ed25519_key()}
SELECTORS = {"rsa": "rsa", "ed25519": "ed"}


def prepared(message: bytes) -> Prepared:
    return prepare(message, parse_header(message))


def signed(message: bytes, *, identity: str = "ann", kinds: tuple[str, ...] = ("rsa",)) -> bytes:
    """The message as it leaves: signatures, and what they sign."""
    made = prepared(message)
    fields = (
        signature_field(
            made, Signer("a.example", SELECTORS[kind], kind, identity, NOW), lambda d, k=kind: signature_of(KEYS[k], d)
        )
        for kind in kinds
    )
    return b"".join(fields) + message


async def results(message: bytes, now: int = NOW) -> list[SignatureResult]:
    return await verify(message, parse_header(message), FakeResolver(zone()), now=now)


def dkimpy_verifies(message: bytes) -> bool:
    return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record(rsa_key()).encode()))


async def test_both_signatures_verify_and_say_who_when_and_how_long() -> None:
    message = signed(b"Received: by us\r\n" + MESSAGE, kinds=("rsa", "ed25519"))
    first, second = await results(message)
    assert (first.result, first.algorithm, first.domain) == ("pass", "rsa-sha256", "a.example")
    assert (second.result, second.algorithm, second.identity) == ("pass", "ed25519-sha256", "ann@a.example")
    assert dkimpy_verifies(message)
    field = parse_header(message).first(b"dkim-signature") or b""
    assert f"t={NOW}; x={NOW + 7 * 86400}".encode() in field.replace(b"\t", b"")
    assert b"c=relaxed/relaxed" in field and b"; l=" not in field


@pytest.mark.parametrize("name", [name.decode() for name in SEALED if name != b"from"] + ["From"])
async def test_a_second_field_of_a_sealed_name_breaks_it(name: str) -> None:
    message = signed(MESSAGE)
    for more in (
        f"{name}: other <x@evil.example>\r\n".encode() + message,
        message.replace(b"\r\n\r\n", f"\r\n{name}: x\r\n\r\n".encode(), 1),
    ):
        (result,) = await results(more)
        assert result.result == "fail" and not dkimpy_verifies(more)


@pytest.mark.parametrize("name", [b"List-Unsubscribe", b"Resent-From", b"Bcc"])
async def test_a_list_or_a_resender_may_add_its_fields_but_not_a_second_one(name: bytes) -> None:
    field = name + b": <mailto:x@a.example>\r\n"
    (added,) = await results(field + signed(MESSAGE))
    assert added.result == "pass"
    (again,) = await results(field + signed(field + MESSAGE))
    assert again.result == "fail"


async def test_what_is_appended_to_the_body_breaks_it() -> None:
    (result,) = await results(signed(MESSAGE) + b"more\r\n")
    assert result.result == "fail"


async def test_it_expires() -> None:
    message = signed(MESSAGE)
    assert [one.result for one in await results(message, NOW + LIFE_SECONDS - 1)] == ["pass"]
    assert [one.result for one in await results(message, NOW + LIFE_SECONDS + 1)] == ["fail"]


async def test_each_field_is_signed_and_one_more_of_its_name() -> None:
    message = signed(MESSAGE)
    (result,) = await results(message)
    assert result.result == "pass" and result.signed_fields.count(b"message-id") == 2
    (changed,) = await results(message.replace(b"<1@a.example>", b"<2@a.example>"))
    assert changed.result == "fail"


@pytest.mark.parametrize("localpart", ["ann", "a;n=n", "möser", '"a b"', "x" * 64, ""])
async def test_identities_come_through_as_they_are(localpart: str) -> None:
    message = signed(MESSAGE, identity=localpart)
    (result,) = await results(message)
    assert result.result == "pass" and result.identity == f"{localpart}@a.example"
    assert quoted(localpart).isascii()


@given(st.binary(max_size=400))
def test_dkimpy_agrees_about_any_body(body: bytes) -> None:
    # dkimpy is quadratic in runs of blanks; hypothesis makes no long ones. A bare CR or LF never gets here.
    lines = with_crlf(body.replace(b"\r", b""))
    assert dkimpy_verifies(signed(MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + lines + b"\r\n"))


def odd_messages() -> Iterator[tuple[str, bytes]]:
    """Every message that submission would take, as it is and in four other shapes."""
    for folder in ("mime-cpython", "mime-ruby-mail", "bounces-flufl", "spam-train"):
        for path in sorted(vectors(folder).rglob("*")):
            if path.is_file() and path.name not in ("LICENSE", "SOURCE"):
                octets = with_crlf(path.read_bytes())
                header = parse_header(octets)
                if octets.startswith(b"\r\n") or b"\r\n\r\n" not in octets or header.defects or not header.fields:
                    continue
                yield from ((f"{path.name}-{number}", one) for number, one in enumerate(shapes(octets, header.end)))


def shapes(octets: bytes, end: int) -> Iterator[bytes]:
    head, body = octets[: end - 2], octets[end:]
    whole = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
    yield whole
    yield whole + b"\r\n \t\r\n\r\n"
    yield head + b"Subject: twice\r\nX-Long: " + b"word \t " * 300 + b"\r\n\r\n" + body + b"\r\n"
    yield head + b"Cc:\r\n\t \r\n\r\n" + body.replace(b"e", b"\te ") + b" \r\n"
    yield head + b"\r\n"


def test_a_thousand_odd_messages_verify_with_dkimpy(tmp_path: Path) -> None:
    tried, wrong = 0, []
    for name, octets in odd_messages():
        tried += 1
        added = b"" if parse_header(octets).first(b"from") else b"From: ann@a.example\r\n"
        try:
            good = dkimpy_verifies(signed(added + octets))
        except dkim.MessageFormatError as error:
            good = False
            name = f"{name}: {error}"
        if not good:
            wrong.append(name)
    assert wrong == []
    assert tried >= 1000
