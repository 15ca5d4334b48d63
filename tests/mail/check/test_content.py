import pytest

from mail.check.content import by_content


@pytest.mark.parametrize(
    ("probability", "usual", "strict"),
    [
        (0.1, "no-bad-signals", "no-bad-signals"),
        (0.5, "no-bad-signals", "junk-content-strict"),
        (0.97, "junk-content", "junk-content-strict"),
    ],
)
def test_content_alone_has_a_verdict_for_a_usual_delivery_and_for_an_odd_one(
    probability: float, usual: str, strict: str
):
    found = by_content(probability, significant=True, threshold=0.95)
    assert tuple(one.reason for one in found) == (usual, strict)
    assert [one.is_reject for one in found] == [usual != "no-bad-signals", strict != "no-bad-signals"]


def test_a_filter_that_learnt_too_little_refuses_nothing():
    assert not any(one.is_reject for one in by_content(1.0, significant=False, threshold=0.95))


def test_a_threshold_below_the_strict_one_holds_for_both():
    assert [one.reason for one in by_content(0.2, significant=True, threshold=0.1)] == ["junk-content", "junk-content"]
