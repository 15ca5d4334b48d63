"""When a deferred message is tried again, and when its sender is told. Pure.

    attempt  1    2      3      4     5     6     7     8, 9, …
    after    0    7.5 m  15 m   30 m  1 h   2 h   4 h   4 h each, until it expires

The step doubles from 7.5 minutes to 4 hours. RFC 5321 §4.5.4.1 asks for 4 to 5 days in all; ours is a setting.
"""

MINUTE_MS = 60_000
FIRST_STEP_MS = 450_000
LONGEST_STEP_MS = 4 * 60 * MINUTE_MS
JITTER_MS = 5_000


def next_attempt(attempts: int, now: int, expires_at: int, *, jitter: float) -> int | None:
    """When to try after `attempts` failures; None when that would be too late: the message fails now.

    `jitter` is from -1 to 1: it spreads messages that failed together by five seconds each way.
    """
    step = min(FIRST_STEP_MS << max(0, min(attempts - 1, 10)), LONGEST_STEP_MS)
    at = now + step + int(jitter * JITTER_MS)
    if now >= expires_at:
        return None
    # One last attempt at the very end, not one skipped.
    return min(at, max(expires_at, now + MINUTE_MS))


def delay_notice_due(queued_at: int, now: int, after_ms: int, *, sent: bool) -> bool:
    """Is it time to tell the sender that the message is late; once."""
    return not sent and now - queued_at >= after_ms
