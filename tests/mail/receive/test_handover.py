"""What a listener tells the keeper, and how the answer is read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from mail.address import parse_address
from mail.dns.fake import FakeResolver
from mail.errors import StorageFull
from mail.imap.summary import summarize
from mail.policy.facts import MessageFacts
from mail.receive.handover import Answer, arguments, hand_over
from mail.receive.message import Message
from mail.receive.turn import Turn
from mail.smtp.replies import Reply
from mail.smtp.trace_fields import Hop
from tests.dkim_signer import MESSAGE, sign
from tests.mail.receive.test_gather import HOST, ZONE, envelope, gathered, looked

HOP = Hop(HOST, "c" * 16, "out.a.example", "192.0.2.1", "ESMTPS", "TLSv1.3 X")
ANN, BOB = parse_address("ann@ours.example"), parse_address("bob@ours.example")
AT = 1_800_000_000_000


async def told(octets: bytes, *recipients: Any, mail_from: str = "ann@a.example", **more: Any) -> dict[str, Any]:
    """The arguments as they come out of the socket."""
    asked = arguments(
        HOP,
        envelope(mail_from),
        recipients or (ANN,),
        looked(octets),
        await gathered(FakeResolver(ZONE), octets, mail_from=mail_from),
        summarize(octets),
        received_at=AT,
        size=len(octets),
        with_evaluation=True,
        turn=Turn.FIRST,
        **more,
    )
    read: dict[str, Any] = orjson.loads(orjson.dumps(asked))
    return read


async def test_the_keeper_reads_what_the_listener_found():
    octets = b"Delivered-To: team@ours.example\r\n" + sign(MESSAGE)
    message = Message.from_args(await told(octets, ANN, BOB))
    seen = looked(octets)
    assert message.recipients == (ANN, BOB) and message.mail_from == parse_address("ann@a.example")
    assert message.arrived.facts.dmarc == "pass" and message.arrived.words == seen.words
    assert message.arrived.fields == seen.fields
    assert message.delivered_to == {"team@ours.example"} and message.summary == summarize(octets)
    assert message.evaluation is not None and message.evaluation["policy_domain"] == "a.example"
    assert (message.size, message.received_at, message.turn) == (len(octets), AT, Turn.FIRST)


@pytest.mark.parametrize(
    ("header", "parameter", "expected"),
    [
        (b"", False, None),
        (b"", True, True),
        (b"TLS-Required: No\r\n", False, False),
        (b"tls-required: no\r\n", False, False),
        (b"TLS-Required: No\r\n", True, True),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", False, None),
        (b"TLS-Required: Yes\r\n", False, None),
    ],
)
async def test_what_the_sender_says_of_tls_goes_with_it(header, parameter, expected):
    octets = header + MESSAGE
    asked = arguments(
        HOP,
        replace(envelope("ann@a.example"), require_tls=parameter),
        (ANN,),
        looked(octets),
        await gathered(FakeResolver(ZONE), octets, mail_from="ann@a.example"),
        summarize(octets),
        received_at=AT,
        size=len(octets),
        with_evaluation=False,
        turn=Turn.FIRST,
    )
    assert Message.from_args(orjson.loads(orjson.dumps(asked))).require_tls is expected


async def test_the_fields_come_in_the_order_readers_expect():
    message = Message.from_args(await told(sign(MESSAGE)))
    names = [line.partition(b":")[0] for line in message.prefix("ann@ours.example", "why").split(b"\r\n")[:-1]]
    assert [name.decode() for name in names if not name.startswith((b" ", b"\t"))] == [
        "Return-Path",
        "Delivered-To",
        "X-Mailstead-Reason",
        "Authentication-Results",
        "Received-SPF",
        "Received",
    ]


async def test_one_recipient_is_named_and_several_are_not():
    assert "for <ann@ours.example>" in (await told(MESSAGE))["tail"]
    assert "for <" not in (await told(MESSAGE, ANN, BOB))["tail"]


async def test_where_nobody_keeps_evaluations_none_are_told():
    octets = MESSAGE
    found = await gathered(FakeResolver(ZONE))
    asked = arguments(
        HOP,
        envelope(),
        (ANN,),
        looked(octets),
        found,
        summarize(octets),
        received_at=AT,
        size=len(octets),
        with_evaluation=False,
        turn=Turn.FIRST,
    )
    assert asked["evaluation"] is None


HOSTILE = [
    b"Subject: =?utf-7?q?+2AA-?=\r\nFrom: =?utf-7?q?+2AA-?= <a@b.example>\r\n\r\n",
    b"Subject: =?utf-16-be?b?2AA=?=\r\nList-Id: \xed\xa0\x80\r\nX-\xff: \xed\xa0\x80\r\n\r\n\xed\xa0\x80 \xff word\r\n",
    b"To: \xed\xa0\x80@a.example, \xff@b.example\r\nMessage-ID: <\xed\xa0\x80\0>\r\n\r\n",
    b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA- lonely +2AA-halves of characters\r\n",
    b"Content-Type: text/html; charset=utf-16\r\n\r\n&#xD800; &#55296; lonely\r\n",
    b"\0\r\nDelivered-To: \xed\xa0\x80\0\r\n\r\n",
]


@pytest.mark.parametrize("octets", HOSTILE)
async def test_what_cannot_be_text_does_not_stop_a_message(octets: bytes):
    message = Message.from_args(await told(octets))
    assert MessageFacts.from_json(message.arrived.facts.as_json()) == message.arrived.facts


class Keeper:
    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any], Sequence[int]]] = []

    async def call(self, verb: str, args: dict[str, Any], fds: Sequence[int]) -> dict[str, Any]:
        self.asked.append((verb, args, fds))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"wait": True}, Answer(None, wait=True)),
        ({"words": [3, 9]}, Answer(None, readers=(3, 9))),
        ({"reply": None, "blob": "b1", "reason": "no-bad-signals"}, Answer(None, "b1", "no-bad-signals")),
        (
            {"reply": [451, "4.3.0", "error"], "blob": "", "reason": "junk-content", "slow": True},
            Answer(Reply(451, "4.3.0", "error"), "", "junk-content", True),
        ),
    ],
)
async def test_the_answer_is_a_reply_a_blob_a_wait_or_a_wish_for_words(said: dict[str, Any], answer: Answer):
    keeper = Keeper(said)
    assert await hand_over(keeper.call, {"x": 1}, 7) == answer
    assert keeper.asked == [("receive", {"x": 1}, (7,))]


async def test_what_the_keeper_raises_reaches_the_session():
    with pytest.raises(StorageFull):
        await hand_over(Keeper(StorageFull()).call, {}, 7)
