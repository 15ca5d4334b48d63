"""A message from a stranger on its way from the listener to the keeper: what was found, and what is to be decided."""

from dataclasses import dataclass
from typing import Any

from mail.address import Address, parse_address
from mail.errors import Invalid
from mail.imap.summary import Summary
from mail.junk.words import WORDS_MAX
from mail.message.build import fold
from mail.policy.facts import MessageFacts
from mail.receive.judge import Arrived
from mail.receive.turn import Turn
from mail.smtp import trace_fields

RECIPIENTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """What the listener says of one message. `head` and `tail`: fields for its front; ours go between them."""

    cid: str
    mail_from: Address | None
    received_at: int
    size: int
    smtputf8: bool
    require_tls: bool | None  # for what is sent on
    summary: Summary
    arrived: Arrived
    recipients: tuple[Address, ...]
    delivered_to: frozenset[str]
    head: bytes
    tail: bytes
    evaluation: dict[str, Any] | None
    turn: Turn

    @classmethod
    def from_args(cls, args: dict[str, Any]) -> "Message":
        """Invalid for what cannot be a message."""
        try:
            return cls._read(args)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Invalid(f"message: {error!r}") from error

    @classmethod
    def _read(cls, args: dict[str, Any]) -> "Message":
        listed = args["recipients"]
        if not isinstance(listed, list) or not 0 < len(listed) <= RECIPIENTS_MAX:
            raise Invalid("recipients")
        mail_from = str(args["mail_from"])
        words = args["words"]
        if words is not None:
            words = tuple(str(words).split("\n")[:WORDS_MAX]) if words else ()
        arrived = Arrived(
            MessageFacts.from_json(args["facts"]),
            words,
            tuple((str(name), str(value)) for name, value in args["fields"]),
            str(args.get("report") or ""),
        )
        return cls(
            cid=str(args["cid"]),
            mail_from=parse_address(mail_from, strict=False) if mail_from else None,
            received_at=int(args["received_at"]),
            size=int(args["size"]),
            smtputf8=bool(args["smtputf8"]),
            require_tls=None if args.get("require_tls") is None else bool(args["require_tls"]),
            summary=Summary.from_json(args["summary"]),
            arrived=arrived,
            recipients=tuple(parse_address(str(one), strict=False) for one in listed),
            delivered_to=frozenset(map(str, args["delivered_to"])),
            head=str(args["head"]).encode("latin-1"),
            tail=str(args["tail"]).encode("latin-1"),
            evaluation=dict(args["evaluation"]) if args.get("evaluation") is not None else None,
            turn=Turn(args["turn"]),
        )

    @property
    def sender_passed(self) -> bool:
        """Is the sender proved, so that a notice to him bothers nobody else (security SM-10)."""
        facts = self.arrived.facts
        return self.mail_from is not None and (facts.spf == "pass" or facts.dmarc == "pass")

    def prefix(self, rcpt_to: str, reason: str = "") -> bytes:
        """The fields in front of one recipient's copy."""
        told = fold("X-Mailstead-Reason", reason) if reason else b""
        address = parse_address(rcpt_to, strict=False)
        return self.head + trace_fields.delivered_to(address) + told + self.tail
