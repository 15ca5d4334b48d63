"""The notifications a batch of outcomes owes: one a message and kind, with all its recipients in it."""

from dataclasses import dataclass

from mail import dsn
from mail.deliver.outcome import Owed
from mail.errors import StorageFault
from mail.message.dates import render_date
from mail.store.blobs import BlobStore
from mail.store.queue import Claimed


@dataclass(frozen=True, slots=True)
class Notice:
    """A DSN ready for its sender: to be stored in his account, or where `by_queue` says so to be sent to `address`."""

    account_id: int
    address: str
    octets: bytes
    prefix: bytes
    kind: str
    recipient_ids: tuple[int, ...]
    cid: str
    by_queue: bool = False
    require_tls: bool = False


def make_notices(owed: list[Owed], blobs: BlobStore, hostname: str, now: int) -> list[Notice]:
    """Reads the originals' blobs: not for an event loop."""
    grouped: dict[tuple[int, dsn.Kind], list[Owed]] = {}
    for one in owed:
        grouped.setdefault((one.claimed.queue_message_id, one.kind), []).append(one)
    return [_notice(kind, group, blobs, hostname, now) for (_, kind), group in grouped.items()]


def _notice(kind: dsn.Kind, group: list[Owed], blobs: BlobStore, hostname: str, now: int) -> Notice:
    claimed = group[0].claimed
    to = claimed.return_to or claimed.mail_from
    # Several members of an alias are one recipient to who wrote to it.
    reports = list({one.report.address: one.report for one in reversed(group)}.values())[::-1]
    octets = dsn.render(kind, hostname, to, reports, _original(claimed, blobs), now=now)
    prefix = f"Received: by {hostname} (Mailstead) id {claimed.cid or claimed.queue_message_id}; {render_date(now)}\r\n"
    if not claimed.return_to:
        prefix = f"Return-Path: <>\r\nDelivered-To: {to}\r\n{prefix}"
    ids = tuple(one.claimed.id for one in group)
    return Notice(
        claimed.account_id,
        to,
        octets,
        prefix.encode(),
        kind.value,
        ids,
        claimed.cid,
        by_queue=bool(claimed.return_to),
        require_tls=claimed.require_tls is True,
    )


def _original(claimed: Claimed, blobs: BlobStore) -> dsn.Original:
    # What demanded TLS comes back as its header, whatever RET says (RFC 8689 §5).
    whole = claimed.ret == "FULL" and claimed.size <= dsn.ORIGINAL_MAX and claimed.require_tls is not True
    most = dsn.ORIGINAL_MAX if whole else dsn.HEADER_MAX
    content = claimed.octets
    if content is None:
        try:
            content = blobs.read_start(claimed.folder, claimed.blob_id, most)
        except StorageFault:
            # A notice without the original's header is better than none.
            content = b""
    octets = claimed.prefix + content
    return dsn.Original(
        claimed.message_id,
        claimed.envid,
        claimed.queued_at,
        octets,
        whole,
        claimed.smtputf8,
        claimed.future_release,
    )
