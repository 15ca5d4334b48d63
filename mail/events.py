"""What happened to an account's mailboxes, as listeners and pages hear of it.

An event is a hint sent after the commit: whoever hears it reads what changed since the modseq he knows. Losing costs
a poll, never a message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MessageAdded:
    account_id: int
    mailbox_id: int
    uid: int
    modseq: int


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    account_id: int
    mailbox_id: int
    uids: tuple[int, ...]
    modseq: int


@dataclass(frozen=True, slots=True)
class Expunged:
    account_id: int
    mailbox_id: int
    uids: tuple[int, ...]
    modseq: int


@dataclass(frozen=True, slots=True)
class MailboxChanged:
    """Made, renamed, removed, subscribed or unsubscribed."""

    account_id: int
    mailbox_id: int
    modseq: int


@dataclass(frozen=True, slots=True)
class MailboxKeywords:
    """The mailbox has keywords it did not have before."""

    account_id: int
    mailbox_id: int
    modseq: int


Event = MessageAdded | FlagsChanged | Expunged | MailboxChanged | MailboxKeywords

KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (MessageAdded, FlagsChanged, Expunged, MailboxChanged, MailboxKeywords)
}

# More uids than this say no more than "look": the list is left out.
UIDS_MAX = 100


def latest(happened: Iterable[Event]) -> list[Event]:
    """In order, and of the messages that came to a mailbox only the last: whoever hears of it reads the others too."""
    listed = list(happened)
    last = {(one.account_id, one.mailbox_id): place for place, one in enumerate(listed) if type(one) is MessageAdded}
    if len(last) == len(listed):
        return listed
    kept = set(last.values())
    return [one for place, one in enumerate(listed) if type(one) is not MessageAdded or place in kept]


def as_json(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__slots__}
    if len(fields.get("uids", ())) > UIDS_MAX:
        fields["uids"] = ()
    return {"kind": type(event).__name__, **fields}


def from_json(fields: dict[str, Any]) -> Event:
    """The event of `as_json`. KeyError or TypeError when it is none of ours."""
    rest = {name: value for name, value in fields.items() if name != "kind"}
    if "uids" in rest:
        rest["uids"] = tuple(rest["uids"])
    return KINDS[fields["kind"]](**rest)
