"""One mail transaction of a session: its envelope, and its content on the way into the spool."""

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from listeners.smtp.spool import Spool
from mail.address import Address
from mail.smtp.content import Content, Fault
from mail.smtp.envelope import Mail
from mail.smtp.replies import Reply

FAULTS = {
    Fault.SMUGGLING: Reply(
        500, "5.5.2", "Bare CR, or a bare LF around a dot, may be SMTP smuggling: message refused", "smuggling"
    ),
    Fault.NUL: Reply(550, "5.6.0", "NUL in message", "nul"),
    Fault.LONG_LINE: Reply(550, "5.6.0", "Line too long in message", "long-line"),
    Fault.TOO_LARGE: Reply(552, "5.3.4", "Message size exceeds fixed limit", "too-large"),
}
NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage", "no-space")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recipient that was taken."""

    address: Address
    notify: str = ""
    orcpt: str = ""


@dataclass(slots=True)
class Transaction:
    mail: Mail
    # Not to be delivered before that time; 0: at once (RFC 4865).
    release_at: int = 0
    recipients: list[Wanted] = field(default_factory=list)
    addresses: set[Address] = field(default_factory=set)
    # BDAT has begun: DATA may not follow (RFC 3030 §2).
    body: "Body | None" = None


class Body:
    """Content and spool together. `close` in any case."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.spool = Spool(folder)
        self.content = Content(self._keep, limit=limit)
        self.failed: OSError | None = None

    def _keep(self, octets: bytes) -> None:
        if self.failed is None:
            try:
                self.spool.write(octets)
            except OSError as error:
                # Read on to the end, so that the session stays in step.
                self.failed = error

    def refusal(self) -> Reply | None:
        """Why the message is not taken, once it has ended."""
        if self.content.fault is not None:
            return FAULTS[self.content.fault]
        return NO_ROOM if self.failed is not None else None

    def close(self) -> None:
        self.spool.close()


def close_map(octets: bytes | mmap.mmap) -> None:
    if isinstance(octets, mmap.mmap):
        octets.close()
