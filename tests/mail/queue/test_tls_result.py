import pytest

from mail.queue.tls_result import POLICY_OCTETS_MAX, TlsResult, bounded, day_of

RESULT = TlsResult(
    20_270_115, "a.test", "a.test", False, "sts", ("version: STSv1",), ("*.a.test",), "x", "y", sessions=3
)


def test_a_result_travels_as_json():
    assert TlsResult.from_json(RESULT.as_json()) == RESULT
    with pytest.raises(TypeError):
        TlsResult.from_json({**RESULT.as_json(), "other": 1})


def test_a_day_is_one_of_utc():
    assert day_of(1_800_000_000_000) == 20_270_115
    assert day_of(1_799_971_199_999) == 20_270_114 and day_of(1_799_971_200_000) == 20_270_115


def test_a_long_policy_is_kept_in_part():
    lines = tuple("x" * 100 for _ in range(500))
    assert bounded(lines[:3]) == lines[:3] and sum(map(len, bounded(lines))) <= POLICY_OCTETS_MAX
    assert RESULT.weight > sum(map(len, RESULT.policy))
