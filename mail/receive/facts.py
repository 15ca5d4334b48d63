"""What we know of an arriving message when it is decided upon and stored beside it.

Facts are gathered, then weighed: nothing here judges. A fact that could not be had is a value, not an exception.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    ip: str
    ehlo_name: str
    tls: str  # version and cipher suite; empty in the clear
    protocol: str
    received_count: int
    defects: tuple[str, ...]  # of the message's structure, from its summary
    early_input: bool  # content came before our 354: pipelining that no rule allows

    def as_json(self) -> dict[str, Any]:
        return {
            "ip": self.ip,
            "ehlo_name": self.ehlo_name,
            "tls": self.tls,
            "protocol": self.protocol,
            "received_count": self.received_count,
            "defects": self.defects,
            "early_input": self.early_input,
        }
