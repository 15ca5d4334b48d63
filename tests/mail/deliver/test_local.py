import os

import pytest

from mail.deliver import local
from mail.deliver.attempt import Job
from mail.errors import Unavailable
from mail.imap.summary import Summary
from mail.store.blobs import BlobStore
from mail.store.queue import NOBODY
from tests.claims import CONTENT, NOW, claimed


class Keeper:
    """Records the call, reads the descriptor as the keeper would, answers as it was told."""

    def __init__(self, *results, error: Exception | None = None) -> None:
        self.results = list(results)
        self.error = error
        self.octets = b""
        self.arguments: dict = {}

    async def __call__(self, verb, arguments, fds):
        assert verb == "deliver"
        self.arguments = arguments
        self.octets = os.pread(fds[0], arguments["size"], 0)
        if self.error is not None:
            raise self.error
        return {"blob": "b", "results": self.results}


async def delivered(keeper, *recipients, blobs=None):
    job = Job(recipients)
    made = local.copied(job, blobs or BlobStore(None), "mx.us.test")
    try:
        return await local.deliver(job, made, keeper, now=NOW)
    finally:
        os.close(made.descriptor)


def stored(address):
    return {"address": address, "ok": True, "account_id": 2, "mailbox": "Inbox", "uid": 7}


async def test_the_keeper_gets_the_message_with_what_we_added_to_it():
    keeper = Keeper(stored("b@us.test"))
    (verdict,) = await delivered(keeper, claimed("b@us.test", prefix=b"Message-ID: <added@us.test>\r\n"))
    assert keeper.octets == b"Message-ID: <added@us.test>\r\n" + CONTENT
    assert Summary.from_json(keeper.arguments["summary"]).message_id == "added@us.test"
    (recipient,) = keeper.arguments["recipients"]
    assert recipient["prefix"] == "Return-Path: <a@us.test>\r\nDelivered-To: b@us.test\r\n"
    assert verdict.reply.positive and verdict.final and verdict.host == ""


async def test_each_recipient_has_its_own_result():
    results = [
        stored("b@us.test"),
        {"address": "c@us.test", "refused": [550, "5.4.6", "Routing loop detected"]},
        {"address": "d@us.test", "error": {"kind": "OverQuota", "public": "mailbox is full"}},
    ]
    addresses = ("b@us.test", "c@us.test", "d@us.test", "e@us.test")
    verdicts = await delivered(Keeper(*results), *(claimed(to, id=number) for number, to in enumerate(addresses)))
    assert [one.reply.code for one in verdicts] == [250, 550, 452, 451]
    assert (verdicts[1].reply.enhanced, verdicts[1].reply.text) == ("5.4.6", "Routing loop detected")


async def test_a_keeper_that_does_not_answer_is_temporary():
    (verdict,) = await delivered(Keeper(error=Unavailable("gone")), claimed("b@us.test"))
    assert verdict.reply.code == 451


async def test_a_null_sender_stays_null():
    keeper = Keeper(stored("b@us.test"))
    await delivered(keeper, claimed("b@us.test", mail_from=""))
    assert keeper.arguments["recipients"][0]["prefix"].startswith("Return-Path: <>\r\n")


@pytest.mark.parametrize("lines", [10, 400_000])
async def test_a_message_in_a_file_is_copied_whole(tmp_path, lines):
    content = b"From: a@us.test\r\nSubject: big\r\n\r\n" + b"line\r\n" * lines
    (tmp_path / "d/00").mkdir(parents=True)
    (tmp_path / "d/00" / ("0" * 32)).write_bytes(content)
    keeper = Keeper(stored("b@us.test"))
    one = claimed(
        "b@us.test", octets=None, folder="d/00", blob_size=len(content), size=len(content), prefix=b"X: y\r\n"
    )
    await delivered(keeper, one, blobs=BlobStore(tmp_path))
    assert keeper.octets == b"X: y\r\n" + content
    assert Summary.from_json(keeper.arguments["summary"]).subject == "big"


HEADER = (
    b"From: =?utf-8?q?=C3=84nn?= <ann@us.test>\r\nX-Mailstead-Reason: forged\r\n"
    b"X-Tag: =?utf-8?q?bl=C3=A4u?=\r\n\r\nhi\r\n"
)


async def test_what_rulesets_look_at_goes_along():
    keeper = Keeper(stored("b@us.test"))
    one = claimed("b@us.test", account_id=7, octets=HEADER, prefix=b"Delivered-To: team@us.test\r\nX-Mine: 1\r\n")
    await delivered(keeper, one)
    assert (keeper.arguments["author"], keeper.arguments["submitter"]) == ("ann@us.test", 7)
    # Without what only we may write.
    assert [(name.lower(), value.strip()) for name, value in keeper.arguments["fields"]] == [
        ("x-mine", "1"),
        ("from", "Änn <ann@us.test>"),
        ("x-tag", "bläu"),
    ]
    assert b"X-Mailstead-Reason: forged" in keeper.octets, "but what was sent is stored"


async def test_a_message_without_an_author_to_be_read_has_none():
    keeper = Keeper(stored("b@us.test"))
    await delivered(keeper, claimed("b@us.test", octets=b"From: a@us.test, b@us.test\r\n\r\nhi\r\n"))
    assert keeper.arguments["author"] == ""


@pytest.mark.parametrize(
    ("given", "submitted", "matched"),
    [
        ({"mail_from": ""}, True, True),  # a user's receipt
        ({"return_to": "zoe@far.test"}, False, True),  # forwarded for her
        ({"mail_from": "", "return_to": NOBODY, "orcpt": "rfc822;srs@us.test"}, False, True),  # a bounce passed on
        ({"mail_from": "", "return_to": NOBODY}, False, False),  # a notification of ours
    ],
)
async def test_who_submitted_it_is_said_and_what_nobody_did(given, submitted, matched):
    keeper = Keeper(stored("b@us.test"))
    await delivered(keeper, claimed("b@us.test", account_id=7, **given))
    assert keeper.arguments["submitter"] == (7 if submitted else 0)
    assert (keeper.arguments["fields"] is not None) == matched
