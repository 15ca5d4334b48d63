import base64
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.address import Address, parse_domain
from mail.dmarc.evaluate import DmarcResult, evaluate
from mail.dns.fake import FakeResolver
from mail.imap.bodystructure import envelope
from mail.message.addresses import parse_addresses
from mail.message.author import Author, author, shown_name
from mail.message.fields import parse_header
from mail.message.scan import scan

EVIL = b"x@evil.example"
VICTIM = b"boss@victim.example"
ENDED = b"Subject: hi\r\n\r\nbody\r\n"


def read(octets: bytes, *, smtputf8: bool = False) -> Author:
    return author(parse_header(octets), smtputf8=smtputf8)


def read_from(value: bytes, *, smtputf8: bool = False) -> Author:
    return read(b"From: " + value + b"\r\n\r\n", smtputf8=smtputf8)


def address_shown(octets: bytes) -> tuple[str, str] | None:
    """What ENVELOPE shows as the one author, as text; None when it shows none, or several."""
    fields = scan(octets).root.fields
    values = [field.value for field in fields if field.name == b"from"]
    found = parse_addresses(values[0]) if values else []
    if len(found) != 1 or found[0].kind:
        return None
    return found[0].localpart.decode("utf-8", "replace"), found[0].domain.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        (b"a@b.example", "a@b.example", ""),
        (b"<a@b.example>", "a@b.example", ""),
        (b"Fred Foo <fred@B.Example>", "fred@b.example", "Fred Foo"),
        (b'"Foo, \\"F\\"" < a@b.example >', "a@b.example", 'Foo, "F"'),
        (b"John Q. Public <a@b.example> (work)", "a@b.example", "John Q. Public"),
        (b"[Tickets] a/b's <a@b.example>", "a@b.example", "[Tickets] a/b's"),
        (b"a@b.example (Carl (the one))", "a@b.example", "Carl (the one)"),
        (b"Fred\r\n Foo\r\n\t<a@b.example>", "a@b.example", "Fred Foo"),
        (b"=?utf-8?q?=C3=84nne?= <a@b.example>", "a@b.example", "Änne"),
        (b'"q s"@b.example', '"q s"@b.example', ""),
        (b"a..b.@b.example", '"a..b."@b.example', ""),
        (b"a@[192.0.2.1]", "a@[192.0.2.1]", ""),
        (b"a@b_c.example", "a@b_c.example", ""),
        (b"a@b.example <A@b.example>", "A@b.example", "a@b.example"),
    ],
)
def test_one_mailbox_is_the_author(value: bytes, address: str, name: str) -> None:
    found = read_from(value)
    assert (found.defects, str(found.address), found.name) == ((), address, name)


@pytest.mark.parametrize(
    ("value", "defect"),
    [
        (b"", "no-author"),
        (b"a@b.example, c@d.example", "several-authors"),
        (b"Foo, Bar <a@b.example>", "several-authors"),
        (b"team: a@b.example;", "group"),
        (b"undisclosed:;", "group"),
        (b"nobody", "unparsable-from"),
        (b"<a@b.example", "unparsable-from"),
        (b"a@b.example>", "unparsable-from"),
        (b'"a@b.example', "unparsable-from"),
        (b"a@b.example x", "unparsable-from"),
        (b"<@r.example:a@b.example>", "unparsable-from"),
        (b"a@b.example.", "unparsable-from"),
        (b"a@b@c.example", "unparsable-from"),
        (b"b@c.example <a@b.example>", "unparsable-from"),
        (b"((a)@b.example", "no-author"),
        (b"=?utf-8?b?YUBiLmV4YW1wbGU=?=", "encoded-word-address"),
        (b"=?utf-8?q?a?=@b.example", "encoded-word-address"),
        (b"\xc3\xa4 <a@b.example>", "non-ascii"),
        (b"a" * 9000 + b"@b.example", "unparsable-from"),
    ],
)
def test_all_else_is_a_defect(value: bytes, defect: str) -> None:
    found = read_from(value)
    assert found.address is None and defect in found.defects


@pytest.mark.parametrize(
    ("octets", "defect"),
    [
        (b"To: a@b\r\n\r\n", "no-from"),
        (b"From: a@b\r\nFROM: c@d\r\n\r\n", "several-from-fields"),
        (b"From : a@b\r\n\r\n", "space-before-colon"),
        (b" x\r\nFrom: a@b\r\n\r\n", "leading-continuation"),
        (b"From: a@b\r\nSubject: x\ry\r\n\r\n", "bare-cr"),
        (b"From: a@b\r\nSubject: x\ny\r\n\r\n", "bare-lf"),
        (b"From: a@b\r\nSubject: x\0y\r\n\r\n", "nul"),
        (b"From: a@b\r\nSubject: x\r\n", "no-blank-line"),
        (b"junk\r\nFrom: a@b\r\n\r\n", "not-a-field"),
        (b"From: a\r\n \r\n <a@b>\r\n\r\n", "blank-continuation"),
        (b"From: " + b"a" * 1000 + b"\r\n <a@b>\r\n\r\n", "long-line"),
    ],
)
def test_a_header_that_can_be_read_otherwise_has_no_author(octets: bytes, defect: str) -> None:
    assert defect in read(octets).defects


def test_what_cannot_hide_an_author_is_none_of_its_defects() -> None:
    assert read(b"From: a@b\r\njunk\r\n\r\n").defects == ()
    assert read(b"From x@y Mon Jan  1 00:00:00 2026\r\nFrom: a@b\r\nSubject: \xe4\r\n\r\n").defects == ()


def test_utf8_is_read_where_it_was_announced() -> None:
    found = read_from("Jörg <jörg@bücher.example>".encode(), smtputf8=True)
    assert found == Author(Address("jörg", "xn--bcher-kva.example"), "Jörg", ())
    assert read_from("Jörg <jörg@bücher.example>".encode()).defects == ("non-ascii",)
    assert read_from(b"J\xf6rg <j@b.example>", smtputf8=True).defects == ("non-ascii",)


@pytest.mark.parametrize(
    "domain", ["vic\u200btim.example", "ｖictim.example", "victim。example", "vict\u00adim.example"]
)
def test_a_domain_is_written_as_it_is_compared(domain: str) -> None:
    assert read_from(f"a@{domain}".encode(), smtputf8=True).address is None


@pytest.mark.parametrize(
    ("value", "deceives"),
    [
        (b'"boss@victim.example" <x@evil.example>', True),
        (b"=?utf-8?q?boss=40victim=2Eexample?= <x@evil.example>", True),
        (b"=?utf-8?b?" + base64.b64encode("boss＠victim.example".encode()) + b"?= <x@evil.example>", True),
        (b'"X@evil.example" <x@evil.example>', False),
        (b'"Boss @ Victim" <x@evil.example>', False),
        (b"Boss <x@evil.example>", False),
    ],
)
def test_a_name_that_holds_another_address_is_told(value: bytes, deceives: bool) -> None:
    assert read_from(value).name_deceives is deceives


def test_nothing_unseen_is_left_in_a_name() -> None:
    assert shown_name("a\u202eb\u200bc\u2066d\x00e\x85f".encode()) == "abcdef"
    assert shown_name(b"=?utf-8?q?boss=0D=0A=00=E2=80=AE?=") == "boss"


# "Composition Kills" (USENIX Security 2020): each family with what the attacker, who authenticates as evil.example,
# writes so that somebody sees the victim. Where they need UTF-8 they are sent with SMTPUTF8.
B64_VICTIM = base64.b64encode(VICTIM)
FAMILIES = {
    "two From fields": b"From: " + EVIL + b"\r\nFrom: " + VICTIM + b"\r\n",
    "two From fields, the other order": b"From: " + VICTIM + b"\r\nFrom: " + EVIL + b"\r\n",
    "two From fields, one in capitals": b"From: " + EVIL + b"\r\nFROM: " + VICTIM + b"\r\n",
    "two From fields, space before the colon": b"From: " + EVIL + b"\r\nFrom : " + VICTIM + b"\r\n",
    "space before the colon alone": b"From\t: " + VICTIM + b"\r\nSender: " + EVIL + b"\r\n",
    "a folded first line": b" From: " + VICTIM + b"\r\nFrom: " + EVIL + b"\r\n",
    "a field name with an odd octet": b"From\xa0: " + VICTIM + b"\r\nFrom: " + EVIL + b"\r\n",
    "a mark before the name": b"\xef\xbb\xbfFrom: " + VICTIM + b"\r\nFrom: " + EVIL + b"\r\n",
    "From behind a line of white space": b"From: " + EVIL + b"\r\n \r\nFrom: " + VICTIM + b"\r\n",
    "From behind a bare CR": b"From: " + EVIL + b"\r\nSubject: a\rFrom: " + VICTIM + b"\r\n",
    "From behind a bare LF": b"From: " + EVIL + b"\r\nSubject: a\nFrom: " + VICTIM + b"\r\n",
    "From behind a NUL": b"From: " + EVIL + b"\0\r\nX: \0From: " + VICTIM + b"\r\n",
    "From behind the end of the header": b"From: " + EVIL + b"\r\n\r\nFrom: " + VICTIM + b"\r\n",
    "no From but a Sender": b"Sender: " + VICTIM + b"\r\n",
    "another Sender": b"From: " + EVIL + b"\r\nSender: " + VICTIM + b"\r\nReply-To: " + VICTIM + b"\r\n",
    "Resent-From": b"Resent-From: " + VICTIM + b"\r\nFrom: " + EVIL + b"\r\n",
    "two addresses": b"From: <" + VICTIM + b">, <" + EVIL + b">\r\n",
    "two addresses, the other order": b"From: <" + EVIL + b">, <" + VICTIM + b">\r\n",
    "two addresses, no comma": b"From: <" + VICTIM + b"><" + EVIL + b">\r\n",
    "two addresses with a semicolon": b"From: " + VICTIM + b"; " + EVIL + b"\r\n",
    "two addresses, one behind 99 commas": b"From: " + EVIL + b"," * 99 + VICTIM + b"\r\n",
    "an empty address first": b"From: <>, <" + VICTIM + b">\r\n",
    "an address and an empty one": b"From: " + EVIL + b", <>\r\n",
    "no address": b"From: \r\n",
    "a group": b"From: Boss: " + VICTIM + b";\r\n",
    "a group of the attacker": b"From: " + VICTIM + b":<" + EVIL + b">;\r\n",
    "a route": b"From: <@victim.example,@a.example:" + EVIL + b">\r\n",
    "a route of addresses": b"From: <" + VICTIM + b":" + EVIL + b">\r\n",
    "a bare address before the angle": b"From: " + VICTIM + b" <" + EVIL + b">\r\n",
    "a bare address after the angle": b"From: <" + EVIL + b"> " + VICTIM + b"\r\n",
    "a quoted address for a name": b'From: "' + VICTIM + b'" <' + EVIL + b">\r\n",
    "an address in a comment": b"From: " + EVIL + b" (" + VICTIM + b")\r\n",
    "an address in a comment before": b"From: (" + VICTIM + b") " + EVIL + b"\r\n",
    "a comment in the domain": b"From: x@evil.example(.victim.example\r\n",
    "a comment in the address": b"From: boss(x)@victim.example(@evil.example)\r\n",
    "a comment that is not closed": b"From: " + EVIL + b" (<" + VICTIM + b">\r\n",
    "an escaped parenthesis": b"From: (\\) <" + VICTIM + b">) <" + EVIL + b">\r\n",
    "a quote that is not closed": b'From: "a <' + VICTIM + b"> <" + EVIL + b">\r\n",
    "an escaped quote": b'From: "a\\" <' + VICTIM + b'>" <' + EVIL + b">\r\n",
    "a quote that ends in a backslash": b'From: "a\\\\" <' + VICTIM + b'>" <' + EVIL + b">\r\n",
    "a bracket in brackets": b"From: <<" + VICTIM + b"> " + EVIL + b">\r\n",
    "a bracket that is not closed": b"From: <" + VICTIM + b" <" + EVIL + b">\r\n",
    "a quoted localpart with an address": b'From: "boss@victim.example"@evil.example\r\n',
    "a localpart with two @": b"From: boss@victim.example@evil.example\r\n",
    "a localpart with a percent": b"From: boss%victim.example@evil.example\r\n",
    "an encoded word for all": b"From: =?utf-8?b?" + B64_VICTIM + b"?=\r\n",
    "an encoded word and an address": b"From: =?utf-8?b?" + B64_VICTIM + b"?= <" + EVIL + b">\r\n",
    "an encoded word in angles": b"From: <=?utf-8?b?" + B64_VICTIM + b"?=> " + EVIL + b"\r\n",
    "an encoded word for the localpart": b"From: =?utf-8?q?boss=40victim.example=2C?=@evil.example\r\n",
    "an encoded word that ends the address": b"From: =?utf-8?q?<boss=40victim.example>=00?= <" + EVIL + b">\r\n",
    "a backslash before the @": b"From: boss\\@victim.example@evil.example\r\n",
    "a line too long for some": b'From: "boss@victim.example' + b" " * 1000 + b'" <' + EVIL + b">\r\n",
    "a folded address": b"From: boss@victim.example\r\n ,\r\n " + EVIL + b"\r\n",
    "unseen characters": b'From: "\xe2\x80\xaeelpmaxe.mitciv@ssob" <' + EVIL + b">\r\n",
    "a domain that looks like another": "From: boss@victim\u200b.example.evil.example\r\n".encode(),
    "a full-width at": "From: boss＠victim.example <x@evil.example>\r\n".encode(),
    "an ideographic dot": "From: x@evil.example。victim.example\r\n".encode(),
    "spaces in the domain": b"From: boss@victim.example .evil.example\r\n",
    "a domain literal": b"From: boss@[victim.example]evil.example\r\n",
}


async def judged(octets: bytes) -> tuple[Author, DmarcResult]:
    resolver = FakeResolver(
        {"TXT _dmarc.victim.example": ["v=DMARC1; p=reject"], "TXT _dmarc.evil.example": ["v=DMARC1; p=reject"]}
    )
    who = author(parse_header(octets), smtputf8=True)
    passing = ("pass", "evil.example")
    # A NUL or a comment in d= and an empty MAIL FROM with the victim's HELO name come with each.
    dkim = [passing, ("pass", "victim.example\0.evil.example"), ("pass", "victim.example(.evil.example")]
    return who, await evaluate(resolver, author=who, spf=passing, dkim=dkim, draw=0.0)


@pytest.mark.parametrize("family", FAMILIES)
async def test_nobody_is_authenticated_who_is_not_shown(family: str) -> None:
    octets = FAMILIES[family] + ENDED
    who, dmarc = await judged(octets)
    if who.address is None:
        assert who.defects and dmarc.result == "permerror" and dmarc.disposition == "reject"
        return
    assert address_shown(octets) == (who.address.localpart, who.address.domain)
    assert f'"{who.address.domain}"'.encode() in envelope(scan(octets).root)
    assert (dmarc.result == "pass") == (who.address.domain == "evil.example")


async def test_the_families_are_for_the_most_part_refused() -> None:
    passed = {name for name, octets in FAMILIES.items() if (await judged(octets + ENDED))[1].result == "pass"}
    assert passed == {
        # Here everybody who reads From sees the attacker's address; the name is told to deceive, or is a comment.
        "From behind the end of the header",
        "another Sender",
        "Resent-From",
        "a quoted address for a name",
        "an address in a comment",
        "an address in a comment before",
        "an escaped parenthesis",
        "an escaped quote",
        "a quoted localpart with an address",
        "a localpart with a percent",
        "an encoded word and an address",
        "unseen characters",
        "a full-width at",
    }


pieces = st.sampled_from(
    [
        b"a@b.example",
        b"<",
        b">",
        b'"',
        b"(",
        b")",
        b",",
        b";",
        b":",
        b"\\",
        b" ",
        b"\r\n ",
        b"@",
        b".",
        b"x",
        b"=?",
        b"[",
    ]
    + [b"\0", b"\r", b"\n", b"\xc3\xa4", "ä@ö.example".encode(), b"=?utf-8?q?a?=", b"]", b"@c.example:", b"\t", b"?="]
)


@settings(max_examples=300)
@given(st.lists(pieces, max_size=12), st.booleans())
def test_an_author_is_always_the_one_that_is_shown(parts: list[bytes], smtputf8: bool) -> None:
    octets = b"From: " + b"".join(parts) + b"\r\n\r\n"
    found = read(octets, smtputf8=smtputf8)
    assert (found.address is None) == bool(found.defects)
    if found.address is not None:
        shown = address_shown(octets)
        assert shown is not None
        domain = shown[1] if shown[1].startswith("[") else parse_domain(shown[1], strict=False)
        assert (unicodedata.normalize("NFC", shown[0]), domain) == (found.address.localpart, found.address.domain)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_no_octets_make_it_raise(octets: bytes) -> None:
    read(octets)
    read(b"From:" + octets + b"\r\n\r\n", smtputf8=True)


def test_no_value_takes_long() -> None:
    for value in (b"(" * 8000, b'"' * 8000, b"a " * 4000, b"()" * 4000, b"<" * 8000, b"a@" * 4000, b"\\" * 8000):
        read_from(value)


def test_comments_are_matched_before_anything_else() -> None:
    # Python's possessive quantifiers once let these through.
    for value in (b"x@evil.example(", b"x@evil.example (a(b)", b"(x@evil.example", b"x@evil.example)"):
        assert read_from(value).address is None
