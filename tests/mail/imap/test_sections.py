import orjson
import pytest

from mail.imap.sections import FIELDS, FIELDS_NOT, HEADER, MIME, TEXT, WHOLE, Section, Span, select_fields, span
from mail.imap.summary import summarize

INNER = b"Subject: in\r\n\r\ninner body"
MESSAGE = (
    b"Subject: out\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nX-A: 1\r\n\r\none\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n--x--\r\n"
)
STRUCTURE = orjson.loads(summarize(MESSAGE).structure)


def octets(path: tuple[int, ...], what: str) -> bytes | None:
    found = span(STRUCTURE, Section(path, what))
    return MESSAGE[found.start : found.end] if found is not None else None


@pytest.mark.parametrize(
    ("path", "what", "expected"),
    [
        ((), WHOLE, MESSAGE),
        ((1,), WHOLE, b"one"),
        ((1,), MIME, b"X-A: 1\r\n\r\n"),
        ((1, 1), WHOLE, None),
        ((2,), WHOLE, INNER),
        ((2,), HEADER, b"Subject: in\r\n\r\n"),
        ((2,), TEXT, b"inner body"),
        ((2, 1), WHOLE, b"inner body"),
        ((2, 1, 1), WHOLE, None),
        ((2, 2), WHOLE, None),
        ((3,), WHOLE, None),
        ((1,), HEADER, None),
    ],
)
def test_sections_name_the_octets_rfc_9051_says(path: tuple[int, ...], what: str, expected: bytes | None) -> None:
    assert octets(path, what) == expected


def test_the_part_one_of_a_plain_message_is_its_body() -> None:
    plain = b"Subject: x\r\n\r\nbody"
    structure = orjson.loads(summarize(plain).structure)
    assert span(structure, Section((1,))) == Span(14, 18)
    assert span(structure, Section((1, 1))) is None


def test_the_prefix_belongs_to_the_top_header_alone() -> None:
    assert span(STRUCTURE, Section((), HEADER)).prefixed  # type: ignore[union-attr]
    assert not span(STRUCTURE, Section((2,), HEADER)).prefixed  # type: ignore[union-attr]


def test_fields_are_chosen_whole_with_their_folds() -> None:
    header = b"A: 1\r\n 2\r\nB: 3\r\na: 4\r\n\r\n"
    assert select_fields(header, Section((), FIELDS, (b"a",))) == b"A: 1\r\n 2\r\na: 4\r\n\r\n"
    assert select_fields(header, Section((), FIELDS_NOT, (b"a",))) == b"B: 3\r\n\r\n"
