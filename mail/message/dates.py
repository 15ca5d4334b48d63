"""The date-time of RFC 5322 §3.3, in its present and its obsolete forms, and how a header writes one."""

import calendar
import re
import time

from mail.message.parameters import without_comments

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MS = 86_400_000

# [ day-name "," ] day month year hour ":" minute [ ":" second ] [ zone ]
_DATE = re.compile(
    rb"(?:[A-Za-z]{3,9}\s*,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*\.?[\s-]+(\d{2,4})"
    rb"(?:\s+(\d{1,2})\s*:\s*(\d{1,2})(?:\s*:\s*(\d{1,2}))?(?:\s*([+-]\d{4}|[A-Za-z]{1,5}))?)?"
)
# RFC 5322 §4.3; military zones mean nothing reliable and count as UTC.
_ZONES = {
    b"EST": -300,
    b"EDT": -240,
    b"CST": -360,
    b"CDT": -300,
    b"MST": -420,
    b"MDT": -360,
    b"PST": -480,
    b"PDT": -420,
}


def parse_date(value: bytes) -> tuple[int, int] | None:
    """(milliseconds since 1970 UTC, days since 1970 of the date as written) or None. Looks at 200 octets."""
    match = _DATE.match(without_comments(value[:200]).strip())
    if match is None:
        return None
    day, month_name, year, hour, minute, second, zone = match.groups()
    month_word = month_name.lower().decode()
    if month_word not in MONTHS:
        return None
    years = int(year)
    if len(year) < 4:
        # RFC 5322 §4.3: two digits up to 49 are this century's, three count from 1900.
        years += 2000 if len(year) == 2 and years < 50 else 1900
    month = MONTHS.index(month_word) + 1
    if not (1 <= years <= 9999 and 1 <= int(day) <= calendar.monthrange(years, month)[1]):
        return None
    clock = [min(int(part), limit) if part else 0 for part, limit in ((hour, 23), (minute, 59), (second, 59))]
    written = calendar.timegm((years, month, int(day), *clock))
    minutes = 0
    if zone and zone[:1] in b"+-":
        minutes = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone[:1] == b"-" else 1)
    elif zone:
        minutes = _ZONES.get(zone.upper(), 0)
    return (written - minutes * 60) * 1000, written // 86400


def render_date(at_ms: int) -> str:
    """For a Date or Received field, in UTC."""
    year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(at_ms // 1000)
    name = MONTHS[month - 1].capitalize()
    return f"{DAYS[weekday]}, {day:02d} {name} {year:04d} {hour:02d}:{minute:02d}:{second:02d} +0000"
