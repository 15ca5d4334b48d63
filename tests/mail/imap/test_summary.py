from hypothesis import given
from hypothesis import strategies as st

from mail.errors import Invalid
from mail.imap.bodystructure import non_extended
from mail.imap.summary import Summary, summarize
from tests.imap_shapes import read_body, read_envelope

MESSAGE = (
    b"From: Ann <ann@x.org>\r\nTo: b@c.d, E <e@f>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n"
    b"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nhi\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: q@r\r\n\r\nb\r\n--x--\r\n"
)


def test_what_search_and_fetch_need_is_there() -> None:
    found = summarize(MESSAGE)
    assert (found.subject, found.sender, found.recipients) == ("grüsse", "ann <ann@x.org>", "b@c.d, e <e@f>")
    assert (found.message_id, found.sent_at, found.sent_day) == ("1@x", 1_795_514_400_000, 20781)
    assert found.envelope.startswith(b'("Tue, 24 Nov 2026 10:00:00 +0000" "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" (("Ann" NIL ')
    assert b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 27 (NIL "in" ' in found.bodystructure


def test_body_is_bodystructure_without_its_extensions() -> None:
    assert non_extended(summarize(MESSAGE).bodystructure) == (
        b'(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 2 0)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 27 '
        b'(NIL "in" ((NIL NIL "q" "r")) ((NIL NIL "q" "r")) ((NIL NIL "q" "r")) NIL NIL NIL NIL NIL) '
        b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 0) 3) "MIXED")'
    )


def test_a_summary_travels_as_json() -> None:
    found = summarize(MESSAGE)
    assert Summary.from_json(found.as_json()) == found


def test_what_is_no_summary_is_refused() -> None:
    for fields in ({}, {"envelope": 1}, {**summarize(b"").as_json(), "sent_at": "x"}):
        try:
            Summary.from_json(fields)
        except Invalid:
            continue
        raise AssertionError(fields)


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\r\n\r\n", b"Content-Type: multipart/x; boundary=a\r\n\r\n--a"])
)
def test_no_octets_make_it_fail(octets: bytes, head: bytes) -> None:
    found = summarize(head + octets)
    read_envelope(found.envelope)
    read_body(found.bodystructure)
    non_extended(found.bodystructure)


def test_a_second_field_of_recipients_is_shown_and_of_authors_is_not() -> None:
    found = summarize(b"From: a@b\r\nFrom: c@d\r\nTo: e@f\r\nTo: g@h (x\r\nTo: i@j\r\n\r\n")
    assert (found.sender, found.recipients) == ("a@b", "e@f, x <g@h>, i@j")
    shown = read_envelope(found.envelope)
    assert [len(people) for people in shown[2:6]] == [1, 1, 1, 3]


def test_addresses_over_the_limit_are_left_out_and_told() -> None:
    found = summarize(b"To: " + b"a@b," * 150 + b"\r\nTo: c@d\r\n\r\n")
    assert found.defects == ("too-many-addresses",) and len(read_envelope(found.envelope)[5]) == 100


def test_a_part_is_shown_with_all_that_it_says_of_itself() -> None:
    body = read_body(
        summarize(
            b"Content-Type: text/plain; charset=utf-8; name*0*=utf-8''%C3; name*1*=%A4\r\nContent-ID: <i@x>\r\n"
            b'Content-Description: a "b"\r\nContent-MD5: Q2hlY2s=\r\nContent-Location: http://x/\r\n'
            b'Content-Disposition: ATTACHMENT; filename="a b"\r\nContent-Language: de, en\r\n\r\nx\r\ny\r\n'
        ).bodystructure
    )
    assert body["parameters"] == {b"CHARSET": b"utf-8", b"NAME*0*": b"utf-8''%C3", b"NAME*1*": b"%A4"}
    assert (body["id"], body["description"], body["md5"]) == (b"<i@x>", b'a "b"', b"Q2hlY2s=")
    assert body["disposition"] == (b"ATTACHMENT", {b"FILENAME": b"a b"}) and body["lines"] == 2
