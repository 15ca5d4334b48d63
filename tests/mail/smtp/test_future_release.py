import pytest

from mail.smtp.future_release import INTERVAL_MAX, announcement, parse, release_at
from mail.smtp.replies import BadCommand

# 2026-11-24 10:00:00 UTC
NOW = 1_795_514_400_000


def code(function, *arguments) -> str:
    with pytest.raises(BadCommand) as caught:
        function(*arguments)
    return f"{caught.value.reply.code} {caught.value.reply.enhanced}"


def test_the_announcement_says_how_far_and_until_when() -> None:
    assert announcement(NOW) == "FUTURERELEASE 5184000 2027-01-23T10:00:00Z"


@pytest.mark.parametrize(
    ("found", "request_", "at"),
    [
        ({}, "", 0),
        ({"HOLDFOR": "3600"}, "for;3600", NOW + 3_600_000),
        ({"HOLDFOR": str(INTERVAL_MAX)}, "for;5184000", NOW + 5_184_000_000),
        ({"HOLDUNTIL": "2026-11-24T11:00:00Z"}, "until;2026-11-24T11:00:00Z", NOW + 3_600_000),
        ({"HOLDUNTIL": "2026-11-24t12:00:00.5+01:00"}, "until;2026-11-24T12:00:00.5+01:00", NOW + 3_600_500),
    ],
)
def test_a_request_has_its_time(found, request_, at) -> None:
    assert parse(found) == request_
    assert release_at(request_, NOW) == at


@pytest.mark.parametrize(
    "found",
    [
        {"HOLDFOR": "1", "HOLDUNTIL": "2026-11-24T11:00:00Z"},
        {"HOLDFOR": None},
        {"HOLDFOR": "0"},
        {"HOLDFOR": "-1"},
        {"HOLDFOR": "1234567890"},
        {"HOLDUNTIL": None},
        {"HOLDUNTIL": "2026-11-24"},
        {"HOLDUNTIL": "2026-11-24T11:00:00"},
        {"HOLDUNTIL": "2026-02-31T11:00:00Z"},
        {"HOLDUNTIL": "tomorrow"},
    ],
)
def test_what_is_no_request_is_a_bad_parameter(found) -> None:
    assert code(parse, found) == "501 5.5.4"


@pytest.mark.parametrize("request_", ["until;2026-11-24T09:59:59Z", "until;2027-01-23T10:00:01Z", "for;5184001"])
def test_a_time_that_is_past_or_too_far_is_refused(request_) -> None:
    assert code(release_at, request_, NOW) == "554 5.5.4"
