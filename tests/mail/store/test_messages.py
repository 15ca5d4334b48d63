from collections.abc import Sequence

from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import accounts, arrivals, messages
from mail.store.arrivals import Delivery, LocalRecipient
from mail.store.blob_rows import BlobRow
from mail.store.changes import changing
from mail.store.engine import Store

OCTETS = b"Message-ID: <1@x.example>\r\n\r\ntext\r\n"


def delivered(store: Store, blob_id: str, to: Sequence[tuple[int, str]], *, at: int, in_row: bool = True) -> None:
    with changing(store, None, clock=SetClock()) as changes:
        found = tuple(LocalRecipient("a@a.example", account_id, name, b"Prefix: x\r\n") for account_id, name in to)
        blob = BlobRow(blob_id, "" if in_row else "20261124/3f", len(OCTETS), b"h" * 32, at, OCTETS if in_row else None)
        arrivals.deliver(changes, Delivery(blob, summarize(OCTETS), "c", "", 1, found))


def test_a_message_is_found_wherever_an_account_has_it_once_and_the_newest_first(store: Store):
    with changing(store, None, clock=SetClock()) as changes:
        ann, bob = (accounts.add_account(changes, name) for name in ("ann", "bob"))
    old, new = "1" * 32, "2" * 32
    delivered(store, old, [(ann, "Inbox"), (ann, "Archive"), (bob, "Inbox")], at=1)
    delivered(store, new, [(ann, "Inbox")], at=2, in_row=False)
    with store.read() as connection:
        found = messages.stored(connection, message_id="1@x.example")
        assert found == [(ann, new, "20261124/3f", None), (ann, old, "", OCTETS), (bob, old, "", OCTETS)]
        assert messages.stored(connection, message_id="1@x.example", account_id=bob) == [(bob, old, "", OCTETS)]
        assert messages.stored(connection, blob_id=new) == [(ann, new, "20261124/3f", None)]
        assert messages.stored(connection, message_id="2@x.example") == messages.stored(connection) == []
        assert messages.stored(connection, message_id="\0\ud800") == []
