from hypothesis import given
from hypothesis import strategies as st

from mail.imap.envelope import recipients
from mail.imap.summary import summarize


def written(head: str) -> list[tuple[str, str]]:
    return recipients(summarize(head.encode() + b"\r\n\r\ntext\r\n").envelope)


def test_to_cc_and_bcc_are_read_back_and_from_is_not():
    head = (
        'From: me@a.example\r\nTo: "Doe, John" <john@b.example>, x@c.example\r\nCc: Y <y@d.example>\r\nBcc: z@e.example'
    )
    assert written(head) == [("john", "b.example"), ("x", "c.example"), ("y", "d.example"), ("z", "e.example")]


def test_an_address_in_a_name_is_not_written_to():
    assert written('To: "friend@b.example, x" <foe@c.example>') == [("foe", "c.example")]


def test_groups_have_members_and_are_none_themselves():
    assert written("To: Team: ann@a.example, bob@a.example;, x@b.example") == [
        ("ann", "a.example"),
        ("bob", "a.example"),
        ("x", "b.example"),
    ]


def test_quotes_and_literals_are_undone():
    name = "n" * 3000
    assert written(f'Subject: a "b" \\ c\r\nTo: {name} <"q\\"q"@b.example>, =?utf-8?q?=C3=A4?= <ä@c.example>') == [
        ('q"q', "b.example"),
        ("ä", "c.example"),
    ]


def test_a_message_without_recipients_has_none():
    assert written("Subject: x") == []


@given(st.binary(max_size=300))
def test_what_is_no_envelope_has_no_recipients(octets: bytes):
    recipients(octets)


@given(st.binary(max_size=200))
def test_every_header_can_be_read_back(octets: bytes):
    recipients(summarize(b"To: " + octets).envelope)
