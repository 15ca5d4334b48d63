"""One connection's work: message after message to one destination, until nothing is left or the connection breaks."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mail.deliver.dial import Dialed
from mail.deliver.outcome import Verdict
from mail.smtp.client import Envelope, Recipient, Refused, local_reply
from mail.smtp.outgoing import pieces_of
from mail.smtp.reply_reader import Reply
from mail.smtp.wire import ConversationFailed
from mail.store.blobs import BlobStore
from mail.store.queue import Claimed


@dataclass(frozen=True, slots=True)
class Job:
    """One message and those of its recipients that go the same way: one transaction."""

    recipients: tuple[Claimed, ...]

    @property
    def first(self) -> Claimed:
        return self.recipients[0]


@dataclass(frozen=True, slots=True)
class Attempted:
    """`unknown`: the connection broke after the final dot, so the message may have been taken."""

    verdicts: list[Verdict]
    again: tuple[Claimed, ...] = ()
    unknown: bool = False


BeforeFinalDot = Callable[[list[int]], Awaitable[None]]


async def attempt(dialed: Dialed, job: Job, blobs: BlobStore, before_final_dot: BeforeFinalDot) -> Attempted:
    """Send one message. Never raises for what the remote does; StorageFault when our own blob cannot be read."""
    first = job.first
    envelope = Envelope(
        mail_from=first.mail_from,
        recipients=tuple(Recipient(one.rcpt_to, one.notify, one.orcpt) for one in job.recipients),
        size=first.size,
        eightbit=first.eightbit,
        smtputf8=first.smtputf8,
        envid=first.envid,
        ret=first.ret,
    )
    ids = [one.id for one in job.recipients]
    descriptor = blobs.open(first.folder, first.blob_id) if first.octets is None else -1
    try:
        if first.octets is None:
            pieces = pieces_of(first.prefix, descriptor, first.blob_size)
        else:
            pieces = iter([first.prefix + first.octets])
        sent = await dialed.client.send(envelope, pieces, lambda: before_final_dot(ids))
    except ConversationFailed as error:
        reply = error.reply if isinstance(error, Refused) else local_reply(451, "4.4.2", str(error))
        verdicts = [_verdict(dialed, one, reply) for one in job.recipients]
        return Attempted(verdicts, unknown=error.after_final_dot)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    # 452 after others were taken: those go in another transaction, and that was no failure (features B09).
    again = tuple(job.recipients[place] for place in sent.too_many)
    verdicts = [
        _verdict(dialed, one, reply)
        for place, (one, reply) in enumerate(zip(job.recipients, sent.replies, strict=True))
        if place not in sent.too_many
    ]
    return Attempted(verdicts, again)


def _verdict(dialed: Dialed, claimed: Claimed, reply: Reply) -> Verdict:
    tells = "DSN" in dialed.client.extensions
    return Verdict(claimed, reply, dialed.host, dialed.ip, dialed.client.tls, tells)
