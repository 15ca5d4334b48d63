"""One look at an arriving message: what it gives, what it cuts, and that nobody can make it long."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imap.summary import summarize
from mail.junk.words import words
from mail.message.fields import Octets
from mail.message.relayed import RECEIVED_LIMIT
from mail.message.scan import scan
from mail.policy.facts import ADDRESSED_MAX
from mail.policy.rulesets import FIELDS_OCTETS
from mail.receive.look import LIST_ID_MAX, SUBJECT_MAX, Look, look
from tests.bombs import BOMBS
from tests.dkim_signer import MESSAGE, NOW, sign

HOST = "mx.ours.example"
# Of a machine that others use too; the slowest takes half a second.
CPU_SECONDS = 10.0


def seen(octets: Octets, *, smtputf8: bool = False) -> Look:
    found = look(octets, hostname=HOST, smtputf8=smtputf8, now=NOW)
    assert found is not None
    return found


def test_an_honest_message_is_looked_at_once_and_has_the_summary_that_is_stored():
    found = seen(MESSAGE)
    assert found.cleaned is None and found.summary == summarize(MESSAGE)
    assert MESSAGE[: found.header_end].endswith(b"<1@a.example>\r\n") and found.received_count == 1
    assert str(found.author.address) == "ann@a.example"
    assert found.to_and_cc == ("bob@b.example",)
    assert found.words == tuple(words(MESSAGE, scan(MESSAGE)))
    assert found.fields[1] == ("from", "Ann <ann@a.example>")
    assert (found.delivered_to, found.report, found.list_id) == (frozenset(), "", "")


@pytest.mark.parametrize(
    "forged",
    [
        b"Return-Path: <ceo@ours.example>\r\n",
        b"Delivered-To: ann@ours.example\r\n",
        b"X-Mailstead-Reason: msgfromfull; trust me\r\n",
        b"Authentication-Results: mx.ours.example; dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS:\r\n (comment) MX.ours.example;\r\n\tdmarc=pass\r\n",
    ],
)
def test_what_only_we_may_write_is_cut_and_no_ruleset_sees_it(forged: bytes):
    found = seen(forged + MESSAGE)
    assert found.cleaned == MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 2] and found.summary is None
    assert (forged + MESSAGE)[found.header_end :] == MESSAGE[len(found.cleaned) :]
    assert found.fields == seen(MESSAGE).fields


def test_what_was_cut_teaches_no_word_and_still_counts_for_its_signature():
    forged = b"Return-Path: <lottery@winner.example>\r\n"
    found = seen(sign(forged + MESSAGE, h="From:Return-Path:Subject"))
    assert found.signatures.names == ("rsa._domainkey.a.example",)
    assert found.cleaned is not None
    stored = found.cleaned + MESSAGE[MESSAGE.index(b"\r\n\r\n") + 2 :]
    assert found.words == tuple(words(stored, scan(stored)))


def test_delivered_to_is_read_before_it_is_cut():
    found = seen(b"Delivered-To: team@ours.example\r\nDelivered-To: <Ann@ours.example>\r\n" + MESSAGE)
    assert found.delivered_to == {"team@ours.example", "Ann@ours.example"}


@pytest.mark.parametrize(("count", "loops"), [(RECEIVED_LIMIT, False), (RECEIVED_LIMIT + 1, True)])
def test_more_than_a_hundred_received_fields_are_a_loop(count: int, loops: bool):
    octets = b"Received: by x\r\n" * count + MESSAGE.partition(b"\r\n")[2]
    found = look(octets, hostname=HOST, smtputf8=False, now=NOW)
    assert (found is None) == loops
    assert loops or found is not None and found.received_count == count


def test_what_is_kept_of_a_header_is_bounded():
    many = b"To: " + b", ".join(b"u%d@x.example" % number for number in range(300)) + b"\r\n"
    octets = many + b"Cc: one@y.example\r\nSubject: " + b"s" * 5000 + b"\r\nList-Id: " + b"l" * 1000 + b"\r\n\r\n"
    found = seen(octets)
    assert len(found.to_and_cc) == ADDRESSED_MAX
    assert (len(found.subject), len(found.list_id)) == (SUBJECT_MAX, LIST_ID_MAX)
    found = seen((b"X: " + b"x" * 1000 + b"\r\n") * 200 + b"\r\n")
    assert sum(len(value) for _, value in found.fields) <= FIELDS_OCTETS


def test_encoded_words_are_decoded_for_the_subject_pass_and_for_rulesets():
    found = seen(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_(pass:x)?=\r\nX-Tag: =?utf-8?b?w7w=?=\r\n\r\n")
    assert found.subject == "Grüße (pass:x)" and found.fields[1] == ("x-tag", "ü")


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("application/gzip", "dmarc"),
        ("application/zip", "dmarc"),
        ("Text/XML; charset=utf-8", "dmarc"),
        ("application/tlsrpt+gzip", "tls"),
        ("application/tlsrpt+json", "tls"),
        ("application/pdf", ""),
        ("multipart/mixed", ""),
    ],
)
def test_what_may_be_a_report_is_known_by_the_type_of_a_part(kind: str, report: str):
    start = b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x\r\n"
    octets = start + f"Content-Type: {kind}\r\n\r\nz\r\n--x--\r\n".encode()
    assert seen(octets).report == report


@pytest.mark.parametrize("name", BOMBS)
def test_no_message_keeps_a_listener_busy(name: str):
    octets = BOMBS[name]()
    started = time.process_time()
    look(octets, hostname=HOST, smtputf8=False, now=NOW)
    assert time.process_time() - started < CPU_SECONDS, name


LINES = st.lists(
    st.sampled_from(
        [
            b"From: a@b.example",
            b"From:",
            b"Subject: =?utf-8?q?=0A?=",
            b"Delivered-To: a@b",
            b"To: a@b, \xff",
            b" folded",
        ]
        + [b"Authentication-Results: mx.ours.example", b"DKIM-Signature: v=1; a=b", b"ARC-Seal: i=1", b"", b"\0: \0"]
        + [
            b"Content-Type: multipart/mixed; boundary=x",
            b"--x",
            b"received: x",
            b"x-mailstead-\xe4: y",
            b"List-Id: <x>",
        ]
    ),
    max_size=30,
).map(b"\r\n".join)


@given(LINES | st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_octets_can_be_looked_at_and_what_is_stored_has_nothing_of_ours(octets: bytes):
    found = look(octets, hostname=HOST, smtputf8=True, now=NOW)
    assert found is not None
    if found.cleaned is not None:
        stored = found.cleaned + octets[found.header_end :]
        assert len(stored) < len(octets)
        octets = stored
    again = seen(octets)
    assert again.cleaned is None and again.delivered_to == frozenset()
    assert again.fields == found.fields
