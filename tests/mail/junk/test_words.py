"""The words of a message and their numbers."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.words import BROKEN_TYPE, WORDS_MAX, hashes, number, pack, unpack, words
from mail.message.scan import scan

HEAD = b"From: a@b.example\r\nSubject: Cheap watches\r\n"


def words_of(octets: bytes) -> list[str]:
    return words(octets, scan(octets))


def test_the_subject_gives_words_of_its_own():
    found = words_of(HEAD + b"\r\nCheap talk\r\n")
    assert {"Subject:cheap", "Subject:watches", "cheap", "talk"} <= set(found)


def test_random_words_and_numbers_never_appear():
    found = words_of(HEAD.replace(b"Cheap", b"xkcdqwrtz 12345abc") + b"\r\nxkcdqwrtz 12345abc XKCDQWRTZ\r\n")
    assert not [word for word in found if "xkcd" in word.lower() or "12345" in word]


def test_transfer_encodings_and_charsets_are_undone():
    text = base64.b64encode("Grüße".encode("latin-1"))
    octets = b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text
    assert "grüße" in words_of(octets)
    octets = b"Content-Transfer-Encoding: quoted-printable\r\n\r\nfor=\r\ntune\r\n"
    assert "fortune" in words_of(octets)


def test_messages_inside_are_read_and_attachments_are_not():
    octets = (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inner\r\n\r\ninside\r\n--x\r\nContent-Type: application/pdf\r\n\r\nattached\r\n--x--\r\n"
    )
    found = words_of(octets)
    assert "inside" in found and "attached" not in found


def test_markup_is_read_as_text():
    found = words_of(
        b'Content-Type: text/html\r\n\r\n<p style="color: red">che<b>ap</b> <a href="http://pills.example">'
    )
    assert {"cheap", "url:pills"} <= set(found) and not {"style", "color"} & set(found)


@pytest.mark.parametrize(
    "declared", [b"broken", b"", b"text/", b"/plain", b"te xt/plain", b"text/pl@in", b"; charset=x"]
)
def test_a_broken_type_is_told(declared: bytes):
    assert words_of(b"Content-Type: " + declared + b"\r\n\r\nx")[0] == BROKEN_TYPE


@pytest.mark.parametrize("declared", [b"text/plain", b"TEXT/HTML; charset", b"text/x-diff (a patch)", b"a/b ; c=d"])
def test_a_sound_type_is_not(declared: bytes):
    assert BROKEN_TYPE not in words_of(b"Content-Type: " + declared + b"\r\n\r\nx")


def test_words_are_distinct_bounded_and_always_the_same():
    octets = HEAD + b"\r\n" + b" ".join(b"w%sx" % bytes(97 + at // 26**k % 26 for k in range(4)) for at in range(9000))
    found = words_of(octets)
    assert len(found) == len(set(found)) == WORDS_MAX and found == words_of(octets)


def test_numbers_are_signed_and_of_64_bits_and_travel_as_octets():
    numbers = hashes(["cheap", "watches", "Subject:cheap"])
    assert numbers == [number(word) for word in ("cheap", "watches", "Subject:cheap")]
    assert len(set(numbers)) == 3 and all(-(1 << 63) <= one < 1 << 63 for one in numbers)
    assert number("cheap") == 609209305434301445
    assert unpack(pack(numbers)) == numbers
    with pytest.raises(ValueError):
        unpack(b"abc")


HOSTILE = {
    "one word": b"a" * 10_000_000,
    "apostrophes": b"a'" * 1_000_000,
    "links": b"http://" * 1_000_000,
    "markup": b"<!--" * 1_000_000,
    "numbers": b"1234 " * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_large_message_costs_no_more_than_its_beginning(name: str):
    for kind in (b"plain", b"html"):
        octets = b"Content-Type: text/" + kind + b"\r\n\r\n" + HOSTILE[name]
        scanned = scan(octets)
        before = time.process_time()
        words(octets, scanned)
        assert time.process_time() - before < 0.5


@given(st.binary(max_size=400), st.sampled_from([b"plain", b"html", b"plain; charset=utf-16", b"html; charset=gbk"]))
@settings(max_examples=200, deadline=None)
def test_any_octets_have_words(octets: bytes, kind: bytes):
    for message in (octets, b"Content-Type: text/" + kind + b"\r\nSubject: " + octets):
        hashes(words_of(message))
