"""When a deferred message is tried again, when its sender is told, and when it is given up. Pure.

    attempt  1    2      3      4     5     6     7     8, 9, …
    after    0    7.5 m  15 m   30 m  1 h   2 h   4 h   4 h each, until it expires

The step doubles from 7.5 minutes to 4 hours. RFC 5321 §4.5.4.1 asks for 4 to 5 days in all; ours is a setting.
A message fails by age and by count, both: a host that was switched off for a week, or a clock that jumped, must not
fail what was hardly tried. Nor does a clock that stands still make a message live for ever.
"""

MINUTE_MS = 60_000
FIRST_STEP_MS = 450_000
LONGEST_STEP_MS = 4 * 60 * MINUTE_MS
JITTER_MS = 5_000
ATTEMPTS_MIN = 8
ATTEMPTS_MAX = 100


def next_attempt(attempts: int, now: int, expires_at: int, *, jitter: float) -> int | None:
    """When to try after `attempts` failures; None when there is no next time: the message fails now.

    `jitter` is from -1 to 1: it spreads messages that failed together by five seconds each way.
    """
    expired = now >= expires_at
    if (expired and attempts >= ATTEMPTS_MIN) or attempts >= ATTEMPTS_MAX:
        return None
    step = min(FIRST_STEP_MS << max(0, min(attempts - 1, 10)), LONGEST_STEP_MS)
    at = now + step + int(jitter * JITTER_MS)
    # One last attempt at the very end, not one skipped.
    return at if expired else min(at, max(expires_at, now + MINUTE_MS))


def delay_notice_due(queued_at: int, next_at: int, after_ms: int, *, sent: bool) -> bool:
    """Is it time to tell the sender that the message is late: once, at the last attempt before `after_ms` are over.

    Told after the next attempt it could be hours later, for the steps are long by then.
    """
    return not sent and next_at - queued_at > after_ms
