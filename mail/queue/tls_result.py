"""What TLS came to in sessions with one host, under one policy: a fact for the reports to its domain (RFC 8460 §4)."""

import time
from dataclasses import asdict, dataclass
from typing import Any

STS, TLSA, NO_POLICY = "sts", "tlsa", "no-policy-found"
# Of a policy's lines or records; longer ones help nobody to find his mistake.
POLICY_OCTETS_MAX = 8 << 10


@dataclass(frozen=True, slots=True)
class TlsResult:
    """`day`: yyyymmdd, UTC. `policy_domain`: of the policy; with `is_host` it is a mail exchanger's. `policy` and
    `mx_patterns` are the policy's own words. `result_type` is empty for success, else a type of RFC 8460 §4.3 with its
    `reason`. `sessions` may be 0: what was amiss, but no session failed by it.
    """

    day: int
    policy_domain: str
    recipient_domain: str
    is_host: bool
    policy_type: str
    policy: tuple[str, ...] = ()
    mx_patterns: tuple[str, ...] = ()
    result_type: str = ""
    reason: str = ""
    mx_host: str = ""
    receiving_ip: str = ""
    sending_ip: str = ""
    sessions: int = 1

    @property
    def weight(self) -> int:
        """Octets of its texts, about."""
        return 400 + sum(map(len, self.policy)) + sum(map(len, self.mx_patterns))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "TlsResult":
        """TypeError when the fields are not those of a result."""
        policy, patterns = (tuple(map(str, fields.pop(name, ()))) for name in ("policy", "mx_patterns"))
        return cls(**fields, policy=policy, mx_patterns=patterns)


def day_of(wall_ms: int) -> int:
    at = time.gmtime(wall_ms // 1000)
    return at.tm_year * 10_000 + at.tm_mon * 100 + at.tm_mday


def bounded(lines: tuple[str, ...]) -> tuple[str, ...]:
    """As many of the lines as are kept."""
    kept: list[str] = []
    left = POLICY_OCTETS_MAX
    for line in lines:
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return tuple(kept)
