import pytest

from listeners.auth import sessions as module
from listeners.auth.sessions import Sessions
from mail.errors import BadCredentials
from mail.now import SetClock
from mail.store.secrets import ADMIN, Secrets

HOUR = 3600


@pytest.fixture
def sessions(kept: Secrets, clock: SetClock) -> Sessions:
    return Sessions(kept, clock)


def test_the_holder_of_the_token_has_the_session_and_nobody_else(sessions: Sessions) -> None:
    token = sessions.open(7, admin=False)
    assert len(token) == 43
    row = sessions.check(token)
    assert (row.account_id, row.admin) == (7, False)
    for other in ("", token[:-1], token + "x", "\ud800"):
        with pytest.raises(BadCredentials):
            sessions.check(other)


def test_a_session_in_use_ends_after_a_week(sessions: Sessions, clock: SetClock) -> None:
    token = sessions.open(7, admin=False)
    for _ in range(8):
        clock.move(20 * HOUR)
        sessions.check(token)
    clock.move(8 * HOUR)
    with pytest.raises(BadCredentials):
        sessions.check(token)


def test_a_session_idle_for_a_day_ends(sessions: Sessions, clock: SetClock) -> None:
    token = sessions.open(7, admin=False)
    clock.move(24 * HOUR + 1)
    with pytest.raises(BadCredentials, match="idle"):
        sessions.check(token)


def test_the_administrators_ends_after_half_an_hour_idle_and_half_a_day_at_most(
    sessions: Sessions, clock: SetClock
) -> None:
    idle = sessions.open(ADMIN, admin=True)
    clock.move(module.ADMIN_IDLE_MS / 1000 + 1)
    with pytest.raises(BadCredentials):
        sessions.check(idle)
    used = sessions.open(ADMIN, admin=True)
    for _ in range(23):
        clock.move(HOUR / 2)
        sessions.check(used)
    clock.move(HOUR / 2)
    with pytest.raises(BadCredentials):
        sessions.check(used)


def test_use_is_noted_once_a_minute(sessions: Sessions, kept: Secrets, clock: SetClock) -> None:
    token = sessions.open(7, admin=False)
    opened = clock.wall_ms()
    clock.move(30)
    sessions.check(token)
    assert sessions.check(token).used_at == opened
    clock.move(31)
    sessions.check(token)
    assert sessions.check(token).used_at == clock.wall_ms()


def test_a_closed_session_is_gone(sessions: Sessions) -> None:
    token = sessions.open(7, admin=False)
    sessions.close(token)
    with pytest.raises(BadCredentials):
        sessions.check(token)
