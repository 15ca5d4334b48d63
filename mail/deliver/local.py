"""Mail from a user of ours to an address of ours: to the keeper and no further.

It went through the queue as any other, so that its sender is told of failures the same way; what it spares is the way
out to our own port 25 and back. It is read here, not in the keeper: what the rulesets of its recipients look at goes
along, as a listener sends it.
"""

import mmap
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mail import errors
from mail.address import parse_address
from mail.deliver.attempt import Job
from mail.deliver.outcome import Verdict
from mail.errors import MailError
from mail.imap.summary import summarize
from mail.message import relayed
from mail.message.author import author
from mail.message.fields import Octets, parse_header
from mail.message.scan import scan
from mail.policy.rulesets import fields_of
from mail.smtp import trace_fields
from mail.smtp.outgoing import pieces_of
from mail.smtp.replies import reply_for
from mail.smtp.reply_reader import Reply, local_reply
from mail.store.blobs import BlobStore
from mail.store.queue import NOBODY, Claimed

Call = Callable[[str, dict[str, Any], Sequence[int]], Awaitable[dict[str, Any]]]

IN_MEMORY_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """The message as it will be stored: a descriptor to close, its size and its summary. `author`: the address of From,
    where there is one; `fields` are for rulesets.
    """

    descriptor: int
    size: int
    summary: dict[str, Any]
    author: str
    fields: tuple[tuple[str, str], ...]


def copied(job: Job, blobs: BlobStore, hostname: str) -> Copied:
    """Prefix and blob in one file: the fields we added belong to the message now. Blocks; StorageFault."""
    first = job.first
    descriptor = _file(first.size)
    try:
        if first.octets is not None:
            octets = first.prefix + first.octets
            os.write(descriptor, octets)
            return _read(descriptor, octets, hostname)
        blob = blobs.open(first.folder, first.blob_id)
        try:
            size = sum(_written(descriptor, piece) for piece in pieces_of(first.prefix, blob, first.blob_size))
        finally:
            os.close(blob)
        with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped:
            return _read(descriptor, mapped, hostname)
    except BaseException:
        os.close(descriptor)
        raise


def _read(descriptor: int, octets: Octets, hostname: str) -> Copied:
    scanned = scan(octets)
    raw = octets[: relayed.header_end(octets)]
    cleaned = relayed.without_forged(raw, hostname)
    # What UTF-8 there is came by SMTPUTF8 or was refused.
    wrote = author(scanned.header, smtputf8=True).address
    return Copied(
        descriptor,
        len(octets),
        summarize(octets, scanned).as_json(),
        str(wrote or ""),
        fields_of(scanned.header if cleaned is raw else parse_header(cleaned)),
    )


async def deliver(job: Job, made: Copied, call: Call, *, now: int) -> list[Verdict]:
    """Hand it to the keeper; a verdict for each recipient. `made` stays the caller's to close."""
    first = job.first
    sender = parse_address(first.mail_from, strict=False) if first.mail_from else None
    arguments = {
        "cid": first.cid,
        "mail_from": first.mail_from,
        "received_at": now,
        "size": made.size,
        "eightbit": first.eightbit,
        "smtputf8": first.smtputf8,
        "require_tls": first.require_tls,
        "summary": made.summary,
        "facts": {"local": True},
        "author": made.author,
        # Who submitted it; what was forwarded for somebody, or is a notification, nobody did.
        "submitter": 0 if first.return_to else first.account_id,
        "fields": None if _is_notification(first) else made.fields,
        "recipients": [
            {
                "address": one.rcpt_to,
                "notify": one.notify,
                "prefix": (
                    trace_fields.return_path(sender) + trace_fields.delivered_to(parse_address(one.rcpt_to))
                ).decode("latin-1"),
            }
            for one in job.recipients
        ],
    }
    try:
        answer = await call("deliver", arguments, (made.descriptor,))
    except MailError as error:
        return [Verdict(one, _refusal(error), final=True) for one in job.recipients]
    said = {result["address"]: _reply(result) for result in answer["results"]}
    unsaid = local_reply(451, "4.3.0", "the store did not say what became of it")
    return [Verdict(one, said.get(one.rcpt_to, unsaid), final=True) for one in job.recipients]


def _is_notification(one: Claimed) -> bool:
    """One of ours on its way by the queue. A bounce that is passed on knows for whom (`orcpt`)."""
    return not one.mail_from and one.return_to == NOBODY and not one.orcpt


def _reply(result: dict[str, Any]) -> Reply:
    if "refused" in result:
        code, enhanced, text = result["refused"]
        return local_reply(int(code), str(enhanced), str(text))
    if "error" not in result:
        return local_reply(250, "2.1.5", f"stored in {result['mailbox']}")
    kind = getattr(errors, str(result["error"]["kind"]), MailError)
    return _refusal(kind(public=str(result["error"]["public"])))


def _refusal(error: MailError) -> Reply:
    reply = reply_for(error)
    return local_reply(reply.code, reply.enhanced, reply.text)


def _file(size: int) -> int:
    if size <= IN_MEMORY_MAX:
        return os.memfd_create("message", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _written(descriptor: int, piece: bytes) -> int:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(piece)
