import pytest

from mail.address import Address
from mail.errors import Invalid
from mail.message.addresses import parse_addresses
from mail.message.build import address_list, build_fields, build_header, encode_text, filename_parameter
from mail.message.fields import parse_header
from mail.message.parameters import parse_valued
from mail.message.words import decode_words

# Security, appendix A2: each after a marker.
REFUSED = [
    "\r\nBcc: e@x",
    "\nBcc: e@x",
    "\rBcc: e@x",
    "\r\n Bcc: e@x",
    "\r\n\r\nbody",
    "\u2028Bcc: e@x",
    "\u2029Bcc: e@x",
    "\x85Bcc: e@x",
    "\x0bBcc: e@x",
    "\x0cBcc: e@x",
    "\0",
    "\x7f",
    "\x1b[31m",
    "\ud800",
    "\udcc0\udc8a",
]
WORDS = ["=?UTF-8?Q?=0A?=Bcc: e@x", "=?UTF-8?Q?=0D=0A?=", "=?utf-8?b?DQpCY2M6IGVAeA==?=", "=?us-ascii?q?=00?="]
HARMLESS = [
    "%0d%0aBcc: e@x",
    "\\r\\n Bcc: e@x",
    "\u560d\u560aBcc: e@x",
    '"',
    "\\",
    '\\"; x=y',
    "<e@x>",
    ">, e@x, <",
    "(",
    ": ;",
    ';x="y"; filename=z',
    "*0*=utf-8''a; filename*1*=b",
    "\u202egpj.exe",
    "  two  blanks ",
    "\u3000",
    "a" * 240,
    "ä" * 240,
]
FIELDS = ["Subject", "From", "To", "Reply-To", "Message-ID", "In-Reply-To", "References", "Content-Type", "X-Extra"]
ANN = Address("ann", "x.org")


def names_of(octets: bytes) -> list[bytes]:
    return [one.name for one in parse_header(octets + b"\r\n").fields]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("payload", [*REFUSED, *WORDS], ids=ascii)
def test_no_value_becomes_another_field(field: str, payload: str) -> None:
    with pytest.raises(Invalid):
        build_header([(field, f"zq{payload}"), ("Date", "x")])


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("payload", HARMLESS, ids=ascii)
def test_what_is_only_odd_stays_in_its_field(field: str, payload: str) -> None:
    octets = build_header([(field, encode_text(f"zq{payload}")), ("Date", "x")])
    assert names_of(octets) == [field.lower().encode(), b"date"] and octets.isascii()
    value = parse_header(octets + b"\r\n").first(field.lower().encode())
    assert value is not None and decode_words(value).split() == f"zq{payload}".split()


@pytest.mark.parametrize("payload", REFUSED, ids=ascii)
def test_no_name_of_a_person_or_a_file_becomes_a_field(payload: str) -> None:
    for build in (lambda: address_list([(f"zq{payload}", ANN)]), lambda: filename_parameter(f"zq{payload}")):
        with pytest.raises(Invalid):
            build()


@pytest.mark.parametrize(
    "payload", ["", *HARMLESS, "=?utf-8?q?=41?=", "J. R. Ewing", "O'Neil & Co", "Müller, Ann"], ids=ascii
)
def test_names_of_people_read_back_the_same(payload: str) -> None:
    octets = build_header([("To", address_list([(f"zq{payload}", ANN), ("", Address("b c", "y.org"))]))])
    value = parse_header(octets + b"\r\n").first(b"to")
    assert value is not None and octets.isascii() and max(map(len, octets.split(b"\r\n"))) < 400
    first, second = parse_addresses(value)
    assert (first.localpart, first.domain, second.localpart) == (b"ann", b"x.org", b"b c")
    assert decode_words(first.name).split() == f"zq{payload}".split()


@pytest.mark.parametrize(
    "payload", [".txt", *HARMLESS, "=?utf-8?q?=41?=.txt", "../../x", "a%20b", "日本" * 40], ids=ascii
)
def test_names_of_files_read_back_the_same(payload: str) -> None:
    octets = build_header([("Content-Disposition", f"attachment; {filename_parameter(f'zq{payload}')}")])
    value = parse_header(octets + b"\r\n").first(b"content-disposition")
    assert value is not None and octets.isascii() and max(map(len, octets.split(b"\r\n"))) <= 320
    assert parse_valued(value).text(b"filename") == f"zq{payload}"
    assert {name.partition(b"*")[0] for name, _ in parse_valued(value).parameters} == {b"filename"}


def test_what_is_too_long_is_refused() -> None:
    for value in ("a" * 1000, "a " * 50_000):
        with pytest.raises(Invalid):
            build_header([("Subject", value)])
    with pytest.raises(Invalid):
        filename_parameter("a" * 100_000)
    assert build_header([("Subject", encode_text("a" * 1000))]).isascii()


def test_a_delivery_status_keeps_what_looks_like_a_word() -> None:
    assert build_fields([("Final-Recipient", f"rfc822; {WORDS[1]}@x.org")]).count(b"\r\n") == 1
    for payload in REFUSED:
        with pytest.raises(Invalid):
            build_fields([("Final-Recipient", f"rfc822; a{payload}")])


@pytest.mark.parametrize("name", ["", "A B", "A:B", "A\r\nB", "Ä"])
def test_no_name_that_is_none_is_written(name: str) -> None:
    with pytest.raises(Invalid):
        build_header([(name, "x")])


def test_long_values_are_folded_and_read_back_the_same() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    octets = build_header([("Subject", words), ("To", "a@b.c")])
    assert all(len(line) <= 78 for line in octets.split(b"\r\n"))
    header = parse_header(octets + b"\r\n")
    assert header.first(b"subject") == words.encode() and header.first(b"to") == b"a@b.c"


def test_text_is_encoded_in_whole_characters() -> None:
    text = "Grüße 日本 " * 20
    assert decode_words(encode_text(text).encode()) == text
