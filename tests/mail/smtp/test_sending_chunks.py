"""RFC 3030: a message in chunks, and what comes of it."""

import pytest

from mail.smtp.sending import send
from mail.smtp.wire import ConversationFailed
from tests.deliver_sink import DRIP, DROP, ENDLESS, HANG, Answers, running_sink
from tests.mail.smtp.test_sending import CONTENT, Dots, codes, connected, envelope, one

CHUNKING = ("PIPELINING", "8BITMIME", "CHUNKING")


@pytest.mark.parametrize("extensions", [CHUNKING, ("CHUNKING",)])
async def test_content_goes_in_chunks_where_they_are_offered(extensions):
    """RFC 3030 §2: as it is, and the last chunk stands for the final dot."""
    async with running_sink(extensions=extensions) as sink:
        client = await connected(sink)
        dots = Dots(sink)
        pieces = [CONTENT[:20], CONTENT[20:-1], b"\n.x"]
        for _ in range(2):
            assert codes(await send(client, envelope(), iter(pieces), dots)) == [250]
            dots.sink = None
        assert sink.messages == [CONTENT + b".x\r\n"] * 2 and dots.asked == 2 and client.messages == 2
        assert "DATA" not in sink.verbs() and sink.verbs().count("BDAT") > 2
        client.close()


async def test_in_chunks_too_each_recipient_has_the_reply_that_decides_it():
    answers: Answers = {"RCPT": ["250 ok", "550 5.1.1 no", "452 4.5.3 more"]}
    sent, sink, usable = await one(answers, "a@x.test", "b@x.test", "c@x.test", extensions=CHUNKING)
    assert codes(sent) == [250, 550, 452] and sent.too_many == [2] and usable and len(sink.messages) == 1
    sent, sink, usable = await one({"RCPT": "550 5.1.1 no"}, extensions=CHUNKING)
    assert codes(sent) == [550] and usable and "BDAT" not in sink.verbs() and "RSET" in sink.verbs()
    sent, sink, usable = await one({"dot": "554 5.6.0 no"}, extensions=CHUNKING)
    assert codes(sent) == [554] and usable and not sent.unknown


async def test_a_chunk_that_is_refused_ends_the_message_and_not_the_connection():
    async with running_sink({"BDAT": "552 5.3.4 enough"}, extensions=CHUNKING) as sink:
        client = await connected(sink)
        dots = Dots()
        sent = await send(client, envelope(), iter([CONTENT[:12], CONTENT[12:]]), dots)
        assert codes(sent) == [552] and dots.asked == 0 and sink.messages == [] and client.usable
        client.close()


@pytest.mark.parametrize("fault", [DROP, HANG, ENDLESS, DRIP])
async def test_a_fault_after_the_last_chunk_leaves_the_outcome_unknown(fault):
    sent, _, usable = await one({"dot": fault}, extensions=CHUNKING)
    assert codes(sent) == [451] and sent.unknown and not usable


async def test_no_last_chunk_goes_out_that_the_store_does_not_know_of_or_that_is_no_message():
    async with running_sink(extensions=CHUNKING) as sink:
        client = await connected(sink)
        sent = await send(client, envelope(), iter([CONTENT]), Dots(error=ConversationFailed("store down")))
        assert codes(sent) == [451] and not sent.unknown and sink.messages == [] and not client.usable
        client = await connected(sink)
        assert codes(await send(client, envelope(), iter([CONTENT, b"bare\n"]), Dots())) == [554]
        assert sink.messages == [] and not client.usable
