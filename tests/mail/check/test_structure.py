import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.check.structure import structure
from tests.imap_shapes import read_body, read_envelope

MESSAGE = (
    b'From: "ceo@bank.example" <x@evil.example>\nTo: b@c.d\nSubject: =?utf-8?q?Gr=C3=BC=E2=80=AE=C3=9Fe?=\n'
    b"Content-Type: multipart/mixed; boundary=x\n\n"
    b"--x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nh\xc3\xa4\n"
    b"--x\nContent-Type: message/rfc822\n\nSubject: in\n\nbody\n"
    b"--x\nContent-Type: message/rfc822\n\nContent-Type: multipart/alternative; boundary=y\n\n"
    b"--y\nContent-Disposition: attachment; filename*=utf-8''%C3%A4.txt\n\nq\n--y--\n--x--\n"
)


def test_parts_are_named_as_imap_names_them() -> None:
    found = structure(MESSAGE)
    assert [(one["path"], one["type"]) for one in found["parts"]] == [
        ("TEXT", "multipart/mixed"),
        ("1", "text/plain"),
        ("2", "message/rfc822"),
        ("2.1", "text/plain"),
        ("3", "message/rfc822"),
        ("3.TEXT", "multipart/alternative"),
        ("3.1", "text/plain"),
    ]
    first, last = found["parts"][1], found["parts"][-1]
    assert (first["charset"], first["encoding"], first["size"]) == ("utf-8", "8bit", 3)
    assert (last["disposition"], last["filename"], found["parts"][0]["boundary"]) == ("attachment", "ä.txt", "x")
    crlf = MESSAGE.replace(b"\n", b"\r\n")
    assert crlf[first["offsets"]["body"] : first["offsets"]["end"]] == "hä".encode()


def test_what_people_would_be_shown_is_clean_and_told() -> None:
    found = structure(MESSAGE)
    assert found["subject"] == "Grüße"
    assert found["from"] == [{"name": "ceo@bank.example", "address": "x@evil.example", "spoofed": True}]
    assert found["defects"] == []


def test_a_message_that_is_not_multipart_has_one_part() -> None:
    assert [one["path"] for one in structure(b"Subject: x\r\n\r\ny\r\n")["parts"]] == ["1"]


@pytest.mark.parametrize("raw", ["ä".encode(), b"\xe4"])
def test_imap_text_keeps_its_octets(raw: bytes) -> None:
    found = structure(b"Subject: " + raw + b"\r\nContent-Description: " + raw + b"\r\n\r\n")
    charset = "utf-8" if raw == "ä".encode() else "latin-1"
    assert read_envelope(found["envelope"].encode(charset))[1] == raw
    assert read_body(found["bodystructure"].encode(charset))["description"] == raw


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"From: ", b"Content-Type: multipart/x; boundary=a\r\n\r\n--a\r\n"])
)
def test_no_octets_make_it_fail(octets: bytes, head: bytes) -> None:
    orjson.dumps(structure(head + octets))
