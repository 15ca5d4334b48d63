"""A small file that says a process lives: RUN/health/<program>.json, rewritten every few seconds.

Whoever looks compares `at` with the time; a process that hangs stops writing, as one that died does.
"""

from pathlib import Path

import orjson

from mail.now import Clock

WRITE_SECONDS = 5.0


class Health:
    def __init__(self, run_dir: Path, program: str, clock: Clock) -> None:
        self._path = run_dir / "health" / f"{program}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._written: float | None = None
        self._facts: dict[str, object] = {}

    def alive(self, **facts: object) -> None:
        """Say so, unless the same was said a moment ago."""
        now = self._clock.monotonic()
        if self._written is not None and now - self._written < WRITE_SECONDS and facts == self._facts:
            return
        self._written, self._facts = now, facts
        part = self._path.with_name(f".{self._path.name}")
        part.write_bytes(orjson.dumps({"at": self._clock.wall_ms(), **facts}))
        part.replace(self._path)
