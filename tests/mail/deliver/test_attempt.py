import os

import pytest

from mail.deliver.attempt import Job, attempt, envelope_of, within_limits
from mail.deliver.dial import Dialed
from mail.errors import StorageFault
from mail.smtp.client import Limits, SmtpClient, Timers
from mail.store.blobs import BlobStore
from tests.claims import CONTENT, claimed
from tests.deliver_sink import DROP, Sink, running_sink

SHORT = Timers(connect=0.5, greeting=0.5, command=0.5, data_start=0.5, data_block=0.5, data_end=0.5)
FOLDER = "20270115/00"


async def dialed(sink: Sink) -> Dialed:
    client = await SmtpClient.connect("127.0.0.1", sink.port, ehlo_name="us.test", timers=SHORT)
    return Dialed(client, "sink.test", "127.0.0.1")


class Dots:
    def __init__(self) -> None:
        self.ids: list[list[int]] = []

    async def __call__(self, ids: list[int]) -> None:
        self.ids.append(ids)


async def attempted(sink: Sink, *recipients, blobs: BlobStore | None = None):
    found = await dialed(sink)
    dots = Dots()
    try:
        return await attempt(found, Job(recipients), blobs or BlobStore(None), dots), dots, found  # type: ignore[arg-type]
    finally:
        found.client.close()


async def test_the_message_is_what_we_added_and_what_was_submitted():
    async with running_sink() as sink:
        found, dots, _ = await attempted(sink, claimed(id=3, prefix=b"Message-ID: <x@y>\r\n"))
        assert sink.messages == [b"Message-ID: <x@y>\r\n" + CONTENT.replace(b"\r\n.", b"\r\n..")]
        assert dots.ids == [[3]]
        (verdict,) = found.verdicts
        assert verdict.reply.code == 250 and (verdict.host, verdict.ip) == ("sink.test", "127.0.0.1")
        assert verdict.remote_tells and not found.again and not found.unknown


async def test_a_large_message_streams_from_its_file(tmp_path):
    content = b"Subject: x\r\n\r\n" + b"line\r\n" * 200_000
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / ("0" * 32)).write_bytes(content)
    one = claimed(octets=None, folder=FOLDER, blob_size=len(content), size=len(content))
    open_before = len(os.listdir("/proc/self/fd"))
    async with running_sink() as sink:
        found, _, _ = await attempted(sink, one, blobs=BlobStore(tmp_path))
        assert found.verdicts[0].reply.code == 250 and sink.messages == [content]
    assert len(os.listdir("/proc/self/fd")) <= open_before


async def test_a_file_that_is_too_short_is_our_temporary_failure(tmp_path):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / ("0" * 32)).write_bytes(b"short\r\n")
    async with running_sink() as sink:
        found, _, one = await attempted(sink, claimed(octets=None, folder=FOLDER), blobs=BlobStore(tmp_path))
        assert found.verdicts[0].reply.enhanced == "4.3.0" and found.verdicts[0].reply.ours
        assert not one.client.usable
    assert sink.messages == []


async def test_a_file_that_is_gone_is_told_to_the_caller(tmp_path):
    async with running_sink() as sink:
        with pytest.raises(StorageFault):
            await attempted(sink, claimed(octets=None, folder=FOLDER), blobs=BlobStore(tmp_path))


async def test_those_a_server_will_take_later_come_again_and_have_no_verdict():
    async with running_sink({"RCPT": ["250 ok", "452 4.5.3 too many", "550 5.1.1 no"]}) as sink:
        found, _, _ = await attempted(sink, claimed("a@x", id=1), claimed("b@x", id=2), claimed("c@x", id=3))
        assert [one.id for one in found.again] == [2]
        assert [(one.claimed.id, one.reply.code) for one in found.verdicts] == [(1, 250), (3, 550)]


async def test_announced_limits_are_kept():
    async with running_sink(extensions=("PIPELINING", "LIMITS RCPTMAX=2")) as sink:
        found, dots, _ = await attempted(sink, *(claimed(f"r{number}@x", id=number) for number in range(1, 6)))
        assert sink.verbs().count("RCPT") == 2
        assert [one.id for one in found.again] == [3, 4, 5] and dots.ids == [[1, 2]]


async def test_a_lost_connection_after_the_final_dot_leaves_the_outcome_unknown():
    async with running_sink({"dot": DROP}) as sink:
        found, _, _ = await attempted(sink, claimed())
        assert found.unknown and found.verdicts[0].reply.code == 451


def test_domains_of_one_transaction_may_be_limited():
    recipients = tuple(
        claimed(to, id=number) for number, to in enumerate(("a@x.test", "b@y.test", "c@x.test", "d@z.test"))
    )
    now, later = within_limits(recipients, Limits(recipient_domains=1))
    assert ([one.id for one in now], [one.id for one in later]) == ([0, 2], [1, 3])
    assert within_limits(recipients, Limits()) == (recipients, ())


def test_smtputf8_is_asked_for_only_when_the_header_needs_it():
    one = claimed(smtputf8=True)
    assert not envelope_of((one,), b"Subject: plain\r\n").smtputf8
    assert envelope_of((one,), "Subject: schön\r\n".encode()).smtputf8
    assert not envelope_of((claimed(),), "Subject: schön\r\n".encode()).smtputf8
