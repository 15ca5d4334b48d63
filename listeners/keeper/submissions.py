"""What the verb `submit` is asked with, read and bounded: a message for the queue that lacks only its blob.

Whoever asks may have been taken over: what he says of the sender is proven elsewhere, what he says of the rest is held
to the limits of submission here.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from mail.address import Address, parse_address
from mail.errors import Invalid
from mail.imap.summary import Summary
from mail.smtp.future_release import INTERVAL_MAX
from mail.store.arrivals import Submission
from mail.store.blob_rows import BlobRow
from mail.store.queue import NewQueueMessage, NewRecipient
from mail.submit.extra import OCTETS_MAX

RECIPIENTS_MAX = 1000
# What may lie between the clocks of two processes, and between the look at them.
CLOCK_MS = 60_000
_RET = frozenset({"FULL", "HDRS"})
_NOTIFY = frozenset({"NEVER", "SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything of a submission but its content."""

    account_id: int
    mail_from: str
    recipients: tuple[NewRecipient, ...]
    summary: Summary
    prefix: bytes
    release_at: int
    require_tls: bool | None
    future_release: str
    extra: str
    envid: str
    ret: str
    args: dict[str, Any]

    @classmethod
    def from_args(cls, args: dict[str, Any], *, now: int, give_up_ms: int) -> "Asked":
        """Invalid for what no listener of ours would ask."""
        release_at = int(args.get("hold_until_at") or 0)
        if release_at > now + 1000 * INTERVAL_MAX + CLOCK_MS:
            raise Invalid("release too far in the future")
        require_tls = args.get("require_tls")
        if require_tls not in (None, True, False):
            raise Invalid("require_tls")
        return cls(
            account_id=int(args["account_id"]),
            mail_from=str(args["mail_from"]),
            recipients=_recipients(args["recipients"], max(now, release_at), give_up_ms),
            summary=Summary.from_json(args["summary"]),
            prefix=str(args.get("prefix") or "").encode("latin-1"),
            release_at=release_at,
            require_tls=require_tls,
            future_release=_text(args.get("future_release"), 60),
            extra=_extra(args.get("extra") or {}),
            envid=_text(args.get("envid"), 100),
            ret=_one_of(args.get("ret"), _RET),
            args=args,
        )

    def submission(self, blob: BlobRow) -> Submission:
        """With its content, which is durable."""
        args = self.args
        message = NewQueueMessage(
            account_id=self.account_id,
            blob_id=blob.id,
            size=blob.size + len(self.prefix),
            mail_from=self.mail_from,
            recipients=self.recipients,
            prefix=self.prefix,
            message_id=self.summary.message_id,
            subject=self.summary.subject[:200],
            envid=self.envid,
            ret=self.ret,
            eightbit=bool(args.get("eightbit")),
            smtputf8=bool(args.get("smtputf8")),
            require_tls=self.require_tls,
            release_at=self.release_at,
            future_release=self.future_release,
            extra=self.extra,
            cid=str(args.get("cid") or ""),
        )
        return Submission(blob, self.summary, message)


def _recipients(listed: Any, first: int, give_up_ms: int) -> tuple[NewRecipient, ...]:
    if not isinstance(listed, list) or not 0 < len(listed) <= RECIPIENTS_MAX:
        raise Invalid("recipients")
    made: dict[Address, NewRecipient] = {}
    for one in listed:
        address = parse_address(str(one["address"]))
        if address not in made:
            made[address] = NewRecipient(
                rcpt_to=str(address),
                domain=address.domain,
                next_attempt_at=first,
                expires_at=first + give_up_ms,
                orcpt=_text(one.get("orcpt"), 500),
                notify=_notify(one.get("notify")),
            )
    return tuple(made.values())


def _text(given: Any, most: int) -> str:
    """What goes into commands and notices as it is: one line, not long."""
    text = str(given or "")
    if len(text) > most or not text.isprintable():
        raise Invalid("text of a parameter")
    return text


def _one_of(given: Any, words: frozenset[str]) -> str:
    word = str(given or "")
    if word and word not in words:
        raise Invalid(f"parameter: {word[:40]!r}")
    return word


def _notify(given: Any) -> str:
    return ",".join(_one_of(word, _NOTIFY) for word in str(given or "").split(","))


def _extra(given: Any) -> str:
    if not isinstance(given, dict):
        raise Invalid("extra")
    extra = {str(name): str(value) for name, value in given.items()}
    if sum(len(name) + len(value) for name, value in extra.items()) > OCTETS_MAX:
        raise Invalid("extra: too much")
    return orjson.dumps(extra).decode()
