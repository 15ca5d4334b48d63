"""Where a test may make the keeper die: the points c1 to c10 of security §3.2.

    c1 a batch is taken     c2 octets are being written     c3 all are written     c4 the file is synced
    c5 it has its name      c6 its folder is synced         c7 the rows are written, not committed
    c8 committed            c9 the replies are on their way c10 temporary names removed, listeners told

Only with MAILSTEAD_TEST_HOOKS=1 in the environment; else `at` is a comparison with None.
"""

import os


class CrashPoints:
    """`CRASH_AT=c5 CRASH_AFTER=3`: die at the third passing of c5, as kill -9 would have it."""

    def __init__(self, environment: "os._Environ[str] | dict[str, str]") -> None:
        armed = environment.get("MAILSTEAD_TEST_HOOKS") == "1"
        self._point = environment.get("CRASH_AT") if armed else None
        self._left = int(environment.get("CRASH_AFTER", "1"))

    def at(self, point: str) -> None:
        if self._point != point:
            return
        self._left -= 1
        if self._left <= 0:
            os._exit(137)
