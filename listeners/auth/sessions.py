"""Web sessions: a random token the browser holds, its hash in auth.db (security WE-1)."""

import hashlib
import secrets

from mail.errors import BadCredentials
from mail.now import Clock
from mail.store.secrets import Secrets, SessionRow

DAY_MS = 86_400_000
IDLE_MS = DAY_MS
ADMIN_IDLE_MS = 30 * 60_000
ABSOLUTE_MS = 7 * DAY_MS
ADMIN_ABSOLUTE_MS = DAY_MS // 2
# Noting every use would be a commit a request.
NOTE_USE_MS = 60_000


class Sessions:
    """None of these is for an event loop."""

    def __init__(self, kept: Secrets, clock: Clock) -> None:
        self._secrets = kept
        self._clock = clock

    def open(self, account_id: int, *, admin: bool) -> str:
        """A new token, 256 bits; only its holder has it."""
        token = secrets.token_urlsafe(32)
        now = self._clock.wall_ms()
        until = now + (ADMIN_ABSOLUTE_MS if admin else ABSOLUTE_MS)
        self._secrets.open_session(_hash(token), SessionRow(account_id, admin, now, now, until))
        return token

    def check(self, token: str) -> SessionRow:
        """BadCredentials when there is no such session or it has ended."""
        now = self._clock.wall_ms()
        row = self._secrets.session(_hash(token))
        if row is None or row.expires_at <= now:
            raise BadCredentials("no such session")
        if now - row.used_at > (ADMIN_IDLE_MS if row.admin else IDLE_MS):
            self._secrets.close_session(_hash(token))
            raise BadCredentials("session idle too long")
        if now - row.used_at > NOTE_USE_MS:
            self._secrets.use_session(_hash(token), now)
        return row

    def close(self, token: str) -> None:
        self._secrets.close_session(_hash(token))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
