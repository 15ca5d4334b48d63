"""The notice to a sender, who is proved, of recipients that did not get what others got (features B08, RFC 3464)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from listeners.keeper.committer import Content
from mail import dsn
from mail.address import Address
from mail.imap.summary import Summary, summarize
from mail.receive.settled import Bounced
from mail.store import arrivals, queue
from mail.store.arrivals import Submission
from mail.store.blob_rows import BlobRow
from mail.store.changes import Changes
from mail.store.queue import NewQueueMessage, NewRecipient


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that waits to be queued: `content` first, to be made durable, then `queue`; `close` at last."""

    to: Address
    content: Content
    summary: Summary
    account_id: int
    expires_at: int

    def queue(self, changes: Changes, blob: BlobRow) -> None:
        """Out by the queue with the null reverse-path, kept under the postmaster's account."""
        recipient = NewRecipient(str(self.to), self.to.domain, changes.now, self.expires_at, notify="NEVER")
        message = NewQueueMessage(
            account_id=self.account_id,
            blob_id=blob.id,
            size=blob.size,
            mail_from="",
            recipients=(recipient,),
            message_id=self.summary.message_id,
            subject=self.summary.subject[:200],
            eightbit=True,
            smtputf8=not self.to.is_ascii,
            return_to=queue.NOBODY,
        )
        arrivals.submit(changes, Submission(blob, self.summary, message))

    def close(self) -> None:
        os.close(self.content.descriptor)


def notice_of(
    to: Address,
    bounced: Sequence[Bounced],
    summary: Summary,
    original: Content,
    *,
    at: int,
    hostname: str,
    account_id: int,
    expires_at: int,
) -> Notice:
    """The notice about one message; `original` is read for its header only."""
    reports = [
        dsn.RecipientReport(one.rcpt_to, one.reply.enhanced, f"{one.reply.code} {one.reply.text}") for one in bounced
    ]
    start = os.pread(original.descriptor, min(original.size, dsn.HEADER_MAX), 0)
    about = dsn.Original(summary.message_id, "", at, start, False, not to.is_ascii)
    octets = dsn.render(dsn.Kind.FAILED, hostname, str(to), reports, about, now=at)
    descriptor = os.memfd_create("notice", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return Notice(to, Content(descriptor, len(octets)), summarize(octets), account_id, expires_at)
