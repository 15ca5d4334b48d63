from collections.abc import Callable
from typing import Any

import pytest

from mail.errors import NotFound
from tests.app.conftest import Run
from tests.bundle import Bundle, wait_until


@pytest.fixture
def waiting(told: Any, submit: Callable[..., None]) -> Callable[[str], int]:
    """Put a message into the queue that was deferred once; its number."""

    def enqueue(domain: str) -> int:
        submit(f"queuetemperror@{domain}")
        wait_until(lambda: any(row["attempts"] and row["state"] == "due" for row in entries(domain)), 15, "one attempt")
        (row,) = entries(domain)
        return int(row["id"])

    def entries(domain: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = told("queue", "list", "--to", f"@{domain}")
        return rows

    return enqueue


def state(told: Any, number: int) -> str:
    return str(told("queue", "show", str(number))["state"])


def test_a_deferred_message_is_listed_with_the_last_reply(told: Any, waiting: Callable[[str], int]):
    number = waiting("listed.example")
    (row,) = told("queue", "list", "--to", "listed.example", "--state", "due")
    assert (row["id"], row["attempts"], row["last_code"]) == (number, 1, 451)
    assert row["next_attempt_at"] > row["queued_at"]


def test_an_entry_shows_its_attempts(run: Run, told: Any, waiting: Callable[[str], int]):
    number = waiting("shown.example")
    (attempt,) = told("queue", "show", str(number))["attempt_history"]
    assert (attempt["number"], attempt["result"], attempt["code"]) == (1, "deferred", 451)
    assert "queuetemperror@shown.example" in run("queue", "show", str(number)).output


def test_an_entry_is_held_and_released(told: Any, waiting: Callable[[str], int]):
    number = waiting("held.example")
    assert told("queue", "hold", str(number)) == {"changed": [number], "unchanged": []}
    assert state(told, number) == "held"
    told("queue", "release", str(number))
    assert state(told, number) == "due"


def test_an_entry_is_tried_at_once(told: Any, waiting: Callable[[str], int]):
    number = waiting("retried.example")
    told("queue", "retry", str(number))
    wait_until(lambda: told("queue", "show", str(number))["attempts"] == 2, 15, "a second attempt")


def test_a_dropped_entry_is_gone_and_nobody_is_told(told: Any, waiting: Callable[[str], int]):
    number = waiting("dropped.example")
    told("queue", "drop", str(number))
    assert state(told, number) not in ("due", "held", "claimed")
    assert told("queue", "list", "--to", "dropped.example") == []


def test_a_failed_entry_is_told_to_its_sender(bundle: Bundle, told: Any, waiting: Callable[[str], int]):
    number = waiting("failed.example")
    told("queue", "fail", str(number), "--reason", "we do not like it")
    wait_until(lambda: state(told, number) == "failed", 15, "the failure")
    found = [one for one in told("trace", bundle.ready["account"], "--since", "5m") if one["direction"] == "local"]
    assert found


def test_a_number_that_is_not_there_is_named(run: Run):
    for verb in ("show", "retry", "hold", "release", "drop"):
        result = run("queue", verb, "987654")
        assert isinstance(result.exception, NotFound), verb
        assert "987654" in result.exception.public
