import hashlib
import mmap
import re
import time

from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from mail.dkim import canonical
from mail.dkim.canonical import FieldChooser, body_digests, canonical_body, relaxed_field, unsigned_field
from mail.message.fields import parse_header

PIECES = [b"a", b"bc", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b"."]


def body(octets: bytes, *, relaxed: bool) -> bytes:
    return b"".join(canonical_body(octets, 0, relaxed=relaxed))


def by_definition(octets: bytes, *, relaxed: bool) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4, line by line."""
    lines = octets.split(b"\r\n")
    if relaxed:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if relaxed else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


def test_the_examples_of_the_rfc_come_out() -> None:
    header = parse_header(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n")
    assert [relaxed_field(field) for field in header.fields] == [b"a:X\r\n", b"b:Y Z\r\n"]
    assert body(b" C \r\nD \t E\r\n\r\n\r\n", relaxed=True) == b" C\r\nD E\r\n"
    assert body(b" C \r\nD \t E\r\n\r\n\r\n", relaxed=False) == b" C \r\nD \t E\r\n"


def test_an_empty_body_is_one_line_end_or_nothing() -> None:
    for empty in (b"", b"\r\n", b"\r\n\r\n"):
        assert body(empty, relaxed=False) == b"\r\n"
        assert body(empty, relaxed=True) == b""
    assert body(b" \r\n\t", relaxed=True) == b""
    assert body(b"a", relaxed=False) == body(b"a", relaxed=True) == b"a\r\n"


def test_a_bare_line_end_is_an_octet_like_any_other() -> None:
    assert body(b"a\n\r\n\r\n", relaxed=False) == b"a\n\r\n"
    assert body(b"a \n \r\n\r\r\n\r\n", relaxed=True) == b"a \n\r\n\r\r\n"


@given(st.lists(st.sampled_from([*PIECES, b"\r", b"\n", b"\x0b"])).map(b"".join), st.integers(1, 9), st.booleans())
def test_blocks_of_any_size_give_what_the_definition_gives(octets: bytes, size: int, relaxed: bool) -> None:
    kept, canonical.BLOCK = canonical.BLOCK, size
    try:
        assert body(octets, relaxed=relaxed) == by_definition(octets, relaxed=relaxed)
    finally:
        canonical.BLOCK = kept


@given(st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_bodies_are_the_same_to_dkimpy(octets: bytes) -> None:
    octets += b"\r\n"  # it does not strip a last line that has no end
    assert body(octets, relaxed=False) == Simple.canonicalize_body(octets)
    assert body(octets, relaxed=True) == Relaxed.canonicalize_body(octets)


@given(st.lists(st.sampled_from(PIECES)).map(b"".join), st.lists(st.integers(0, 20)), st.booleans())
def test_digests_of_cut_bodies_are_those_of_their_beginnings(octets: bytes, cuts: list[int], relaxed: bool) -> None:
    whole = by_definition(octets, relaxed=relaxed)
    digests = body_digests(octets, 0, relaxed=relaxed, cuts=cuts)
    assert (digests.size, digests.whole) == (len(whole), hashlib.sha256(whole).digest())
    assert digests.cut == {cut: hashlib.sha256(whole[:cut]).digest() for cut in cuts if cut <= len(whole)}


def test_a_mapped_message_is_read_the_same() -> None:
    octets = b"a: b\r\n\r\nc  d\r\n\r\n"
    with mmap.mmap(-1, len(octets)) as mapped:
        mapped.write(octets)
        assert body_digests(mapped, 8, relaxed=True) == body_digests(octets, 8, relaxed=True)


def test_hostile_bodies_take_linear_time() -> None:
    size = 2 << 20
    for octets in (b" " * size, b" " * size + b"x", b"\t " * (size // 2) + b"\r\nx", b"\r\n" * size, b" \r" * size):
        began = time.process_time()
        body_digests(octets, 0, relaxed=True)
        body_digests(octets, 0, relaxed=False)
        assert time.process_time() - began < 2


def test_the_signature_is_taken_out_of_its_own_field_to_the_octet() -> None:
    def unsigned(raw: bytes, *, relaxed: bool) -> bytes:
        return unsigned_field(parse_header(raw + b"\r\n").fields[0], relaxed=relaxed)

    raw = b"DKIM-Signature: a=x; b= ab\r\n\tc= ; bh=b=;\r\n  c=d  \r\n"
    assert unsigned(raw, relaxed=False) == b"DKIM-Signature: a=x; b=; bh=b=;\r\n  c=d  "
    assert unsigned(raw, relaxed=True) == b"dkim-signature:a=x; b=; bh=b=; c=d"
    assert unsigned(b"DKIM-Signature: a=x;\r\n b = xyz==\r\n", relaxed=False) == b"DKIM-Signature: a=x;\r\n b ="


def test_repeated_names_take_fields_from_the_bottom_and_then_nothing() -> None:
    header = parse_header(b"S: b=\r\nA: 1\r\nX: 0\r\nA: 2\r\n\r\n")
    own = header.fields[0]

    def digest(*names: bytes) -> bytes:
        return FieldChooser(header.fields).header_digest(names, own, relaxed=True)

    def sha(octets: bytes) -> bytes:
        return hashlib.sha256(octets).digest()

    assert digest(b"a") == sha(b"a:2\r\ns:b=")
    assert digest(b"a", b"x", b"a") == sha(b"a:2\r\nx:0\r\na:1\r\ns:b=")
    assert digest(b"a", b"a", b"a", b"missing", b"a") == sha(b"a:2\r\na:1\r\ns:b=")
    assert digest(b"s") == sha(b"s:b=")
