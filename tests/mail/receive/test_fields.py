"""The fields that say what we found: read again they say it, and nobody can write into them."""

import re

import authres
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.address import Address
from mail.arc.verify import ArcResult
from mail.dkim.verify import SignatureResult
from mail.dmarc.evaluate import DmarcResult
from mail.dns.fake import FakeResolver
from mail.iprev import IprevResult
from mail.message.fields import parse_header
from mail.message.words import decode_words
from mail.policy.facts import MessageFacts
from mail.receive.fields import COMMENT_MAX, found_fields
from mail.receive.gather import Envelope, Gathered
from mail.spf.check import SpfResult
from tests.dkim_signer import MESSAGE, sign
from tests.mail.receive.test_gather import HOST, ZONE, envelope, gathered


def values(fields: bytes) -> dict[str, str]:
    """The unfolded values by name; both fields are there once and nothing else is."""
    header = parse_header(fields + b"\r\n")
    assert header.defects == () and [one.name for one in header.fields] == [b"authentication-results", b"received-spf"]
    return {one.name.decode(): re.sub(r"\r\n(?=[ \t])", "", one.value.decode()).strip() for one in header.fields}


async def test_what_was_found_can_be_read_again():
    found = await gathered(FakeResolver(ZONE, secure=["TXT rsa._domainkey.a.example"]), sign(MESSAGE))
    told = values(found_fields(found, envelope(), HOST))
    read = authres.AuthenticationResultsHeader.parse_value(told["authentication-results"])
    assert read.authserv_id == HOST
    results = {one.method: one for one in read.results}
    assert {name: one.result for name, one in results.items()} == {
        "iprev": "pass",
        "dkim": "pass",
        "spf": "pass",
        "dmarc": "pass",
    }
    properties = {(one.type, one.name): one.value for each in read.results for one in each.properties}
    assert properties["policy", "iprev"] == "192.0.2.1"
    assert (properties["header", "d"], properties["header", "s"]) == ("a.example", "rsa")
    assert (properties["smtp", "mailfrom"], properties["header", "from"]) == ("ann@a.example", "a.example")
    assert "iprev=pass (out.a.example)" in told["authentication-results"]
    assert "dkim=pass (dnssec)" in told["authentication-results"]
    assert told["received-spf"].startswith("pass ") and 'envelope-from="ann@a.example"' in told["received-spf"]
    assert f"receiver={HOST}" in told["received-spf"] and 'mechanism="ip4:192.0.2.1"' in told["received-spf"]


async def test_why_something_failed_is_told():
    records = {**ZONE, "TXT a.example": ["v=spf1 -all exp=why.a.example"], "TXT why.a.example": ["Not (from) here\\"]}
    records["TXT _dmarc.a.example"] = ["v=DMARC1; p=reject; pct=0"]
    spoilt = sign(MESSAGE).replace(b"Dear", b"Hello")
    told = values(found_fields(await gathered(FakeResolver(records), spoilt), envelope(), HOST))
    results = told["authentication-results"]
    assert "dkim=fail" in results and 'reason="body hash did not verify"' in results
    assert "spf=fail" in results and "dmarc=fail (sampled_out)" in results and "policy.dmarc=quarantine" in results
    assert told["received-spf"].startswith(r"fail (Not \(from\) here\\) ")


async def test_where_nothing_was_looked_up_nothing_is_said():
    assert found_fields(await gathered(None, sign(MESSAGE)), envelope(), HOST) == b""


def said(envelope: Envelope, *, hostname: str = HOST, **given: object) -> bytes:
    """The fields of a message about which strangers said these things."""
    text = str(given.get("text", ""))
    gathered = Gathered(
        MessageFacts(ip=envelope.ip, from_domain=text),
        IprevResult("pass", text, (text,), text),
        SpfResult("fail", text, text, "mailfrom", text, text, 1),
        (SignatureResult("fail", text, text, text, text, text, text, key_bits=1024),),
        DmarcResult("none", overrides=(text,)),
        ArcResult("fail", text),
        1,
    )
    return found_fields(gathered, envelope, hostname)


# What ends a line, a comment, a quoted string, a result or a field for some reader, or would if it were decoded.
HOSTILE = [
    "\r\nX-Evil: y",
    "\n\n",
    "a; dmarc=pass header.from=bank.example",
    'x" ; dmarc=pass "',
    "\\",
    ") dmarc=pass (",
    "=?utf-8?q?=0D=0AX-Evil:_y?=",
    "=?utf-8?b?DQpYOiB5?=",
    "=üutf-8?b?DQpYOiB5?=",
    "?utf-8?b?DQpYOiB5?=",
    "\u2028\u0085\x0b\x00",
    "\ud800",
    "ü" * 500,
    " " * 3000,
    "(" * 3000,
    '"' * 3000,
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("smtputf8", [False, True])
def test_what_is_made_to_break_out_does_not(text: str, smtputf8: bool):
    check(text, smtputf8)


def check(text: str, smtputf8: bool) -> None:
    localpart = text.encode("utf-8", "replace").decode()[:60] or "x"
    sender = Address(localpart, "a.example")
    fields = said(Envelope("192.0.2.1", text, True, sender, smtputf8), text=text)
    assert fields.isascii() or smtputf8
    assert max(map(len, fields.split(b"\r\n"))) <= 998 and len(fields) < 64 << 10
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", fields)
    told = values(fields)
    results = [one.partition("=")[0].split()[0] for one in outside_quotes(told["authentication-results"]).split(";")]
    assert results == [HOST, "iprev", "dkim", "spf", "dmarc", "arc"]
    for value in told.values():
        assert "=?" not in value and decode_words(value.encode()) == value


def outside_quotes(value: str) -> str:
    """Without quoted strings and comments."""
    kept, depth, quoted, at = "", 0, False, 0
    while at < len(value):
        letter = value[at]
        if letter == "\\" and (quoted or depth):
            at += 1
        elif letter == '"' and not depth:
            quoted = not quoted
        elif letter in "()" and not quoted:
            depth += 1 if letter == "(" else -1
            assert depth >= 0
        elif not quoted and not depth:
            kept += letter
        at += 1
    assert not quoted and not depth
    return kept


@given(st.text(max_size=60) | st.lists(st.sampled_from(HOSTILE), max_size=4).map(" ".join), st.booleans())
@settings(max_examples=200, deadline=None)
def test_nothing_a_stranger_chose_can_break_out(text: str, smtputf8: bool):
    check(text, smtputf8)


def test_what_the_dns_says_at_length_is_cut():
    fields = said(Envelope("192.0.2.1", "x", True, None, False), text="long " * 400)
    assert f"({('long ' * 400)[:COMMENT_MAX]}" in values(fields)["received-spf"]
