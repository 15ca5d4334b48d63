"""FUTURERELEASE: a message that is to wait with us before it is delivered. RFC 4865.

    EHLO   FUTURERELEASE max-interval max-date-time
    MAIL   HOLDFOR=seconds or HOLDUNTIL=date-time

A request is kept as notifications name it: `for;3600`, `until;2026-11-25T10:00:00Z`; empty: there is none.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from mail.smtp.replies import BadCommand

# Features B03: 60 days.
INTERVAL_MAX = 60 * 86_400

# future-release-integer = %x31-39 *8DIGIT
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
# date-time (RFC 3339 §5.6), as erratum 2040 has it
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def announcement(now: int) -> str:
    """The EHLO line."""
    latest = datetime.fromtimestamp(now // 1000 + INTERVAL_MAX, UTC)
    return f"FUTURERELEASE {INTERVAL_MAX} {latest:%Y-%m-%dT%H:%M:%SZ}"


def parse(found: Mapping[str, str | None]) -> str:
    """The request among the parameters of MAIL. BadCommand for both at once, and for what is neither."""
    if "HOLDFOR" in found and "HOLDUNTIL" in found:
        raise BadCommand(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
    if "HOLDFOR" in found:
        seconds = found["HOLDFOR"] or ""
        if not _SECONDS.fullmatch(seconds):
            raise BadCommand(501, "5.5.4", "Bad HOLDFOR")
        return f"for;{seconds}"
    if "HOLDUNTIL" in found:
        text = (found["HOLDUNTIL"] or "").upper()
        if not _DATE_TIME.fullmatch(text) or _milliseconds(text) is None:
            raise BadCommand(501, "5.5.4", "Bad HOLDUNTIL")
        return f"until;{text}"
    return ""


def release_at(request: str, now: int) -> int:
    """When a request asked at `now` ends; 0 without one. BadCommand when that is past, or further off than allowed."""
    kind, _, value = request.partition(";")
    if not kind:
        return 0
    at = now + 1000 * int(value) if kind == "for" else _milliseconds(value)
    if at is None or at < now:
        raise BadCommand(554, "5.5.4", "The time of release is past")
    if at > now + 1000 * INTERVAL_MAX:
        raise BadCommand(554, "5.5.4", f"The time of release is more than {INTERVAL_MAX} seconds away")
    return at


def _milliseconds(text: str) -> int | None:
    """None for a time there is not, as the 31st of February."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
