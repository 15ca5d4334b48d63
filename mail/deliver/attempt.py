"""One transaction at a host: a message, those of its recipients that go the same way, and what became of each."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mail.deliver.dial import Dialed
from mail.deliver.outcome import Verdict
from mail.message.fields import header_end
from mail.smtp.client import Limits
from mail.smtp.outgoing import pieces_of
from mail.smtp.reply_reader import Reply, local_reply
from mail.smtp.sending import Envelope, Recipient, send
from mail.store.blobs import BlobStore
from mail.store.queue import Claimed

HEADER_MAX = 64 << 10


@dataclass(frozen=True, slots=True)
class Job:
    """One message and those of its recipients that go the same way: one transaction."""

    recipients: tuple[Claimed, ...]

    @property
    def first(self) -> Claimed:
        return self.recipients[0]


@dataclass(frozen=True, slots=True)
class Attempted:
    """`again`: recipients that belong in another transaction, which is no failure. `unknown`: the connection broke
    after the final dot, so the message may have been taken.
    """

    verdicts: list[Verdict]
    again: tuple[Claimed, ...] = ()
    unknown: bool = False


BeforeFinalDot = Callable[[list[int]], Awaitable[None]]


async def attempt(dialed: Dialed, job: Job, blobs: BlobStore, before_final_dot: BeforeFinalDot) -> Attempted:
    """Send one message. Never raises for what the remote does; StorageFault when our own blob cannot be read."""
    now, later = within_limits(job.recipients, dialed.client.limits)
    first = job.first
    ids = [one.id for one in now]
    descriptor = blobs.open(first.folder, first.blob_id) if first.octets is None else -1
    try:
        if first.octets is None:
            pieces = pieces_of(first.prefix, descriptor, first.blob_size)
        else:
            pieces = iter([first.prefix + first.octets])
        envelope = envelope_of(now, _header_start(first, descriptor))
        sent = await send(dialed.client, envelope, pieces, lambda: before_final_dot(ids))
    except OSError as error:
        return Attempted([_verdict(dialed, one, _unreadable(error)) for one in job.recipients])
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    # 452 after others were taken: those go in another transaction, and that was no failure (features B09).
    again = tuple(now[place] for place in sent.too_many)
    verdicts = [
        _verdict(dialed, one, reply)
        for place, (one, reply) in enumerate(zip(now, sent.replies, strict=True))
        if place not in sent.too_many
    ]
    return Attempted(verdicts, again + later, sent.unknown)


def envelope_of(recipients: tuple[Claimed, ...], header: bytes) -> Envelope:
    """`header` begins the message: SMTPUTF8 is needed only when something in it or in the addresses is not ASCII."""
    first = recipients[0]
    return Envelope(
        mail_from=first.mail_from,
        recipients=tuple(Recipient(one.rcpt_to, one.notify, one.orcpt) for one in recipients),
        size=first.size,
        eightbit=first.eightbit,
        smtputf8=first.smtputf8 and not header.isascii(),
        envid=first.envid,
        ret=first.ret,
        require_tls=first.require_tls is True,
    )


def within_limits(recipients: tuple[Claimed, ...], limits: Limits) -> tuple[tuple[Claimed, ...], tuple[Claimed, ...]]:
    """Those for one transaction at a server of these limits, and the rest."""
    now: list[Claimed] = []
    domains: set[str] = set()
    for one in recipients:
        full = limits.recipients and len(now) >= limits.recipients
        domains_full = limits.recipient_domains and len(domains | {one.domain}) > limits.recipient_domains
        if full or domains_full:
            continue
        domains.add(one.domain)
        now.append(one)
    chosen = {one.id for one in now}
    return tuple(now), tuple(one for one in recipients if one.id not in chosen)


def _header_start(first: Claimed, descriptor: int) -> bytes:
    """The header when its characters matter, else nothing."""
    if not first.smtputf8:
        return b""
    octets = first.prefix + (first.octets if first.octets is not None else os.pread(descriptor, HEADER_MAX, 0))
    return octets[: header_end(octets, 0, len(octets))[0]]


def _unreadable(error: OSError) -> Reply:
    return local_reply(451, "4.3.0", f"the message cannot be read: {error.strerror or error}")


def _verdict(dialed: Dialed, claimed: Claimed, reply: Reply) -> Verdict:
    client = dialed.client
    return Verdict(
        claimed,
        reply,
        dialed.host,
        dialed.ip,
        dialed.tls,
        remote_tells="DSN" in client.extensions,
        dual_stack=dialed.dual_stack,
    )
