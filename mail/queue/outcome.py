"""What came of one attempt for one recipient: the delivery worker's word to the keeper."""

from dataclasses import asdict, dataclass
from typing import Any

DELIVERED, DEFERRED, FAILED, RELEASED = "delivered", "deferred", "failed", "released"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`result` is an event of `mail.queue.states`: delivered, deferred, failed, or released (not tried after all).

    `dsns` pairs a DSN kind (failed, delayed, delivered, relayed) with the place of its message in the list that goes
    beside the outcomes; one DSN may stand for several recipients.
    """

    queue_recipient_id: int
    attempt_id: int
    result: str
    ended_at: int
    code: int = 0
    enhanced: str = ""
    text: str = ""
    host: str = ""
    ip: str = ""
    tls: str = ""
    next_attempt_at: int = 0
    dsns: tuple[tuple[str, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Outcome":
        """TypeError when the fields are not those of an outcome."""
        dsns = tuple((str(kind), int(place)) for kind, place in fields.pop("dsns", ()))
        return cls(**fields, dsns=dsns)
