import pytest

from mail.accounts.send_limits import SendLimits, Sent, check
from mail.errors import MessageLimit, RecipientLimit


def test_up_to_the_limits_all_may_be_sent() -> None:
    check(SendLimits(4, 2), Sent(4, 2))
    check(SendLimits(), Sent(1000, 200))


@pytest.mark.parametrize(
    ("limits", "sent", "number"),
    [(SendLimits(4, 2), Sent(5, 0), "4"), (SendLimits(), Sent(1001, 0), "1000"), (SendLimits(4, 2), Sent(5, 5), "4")],
)
def test_too_many_messages_are_told_with_the_number_and_the_setting(limits, sent, number) -> None:
    with pytest.raises(MessageLimit) as caught:
        check(limits, sent)
    assert f" {number} messages" in caught.value.public and "max_outgoing_messages_per_day" in caught.value.public


def test_too_many_new_recipients_are_told_with_the_number_and_the_setting() -> None:
    with pytest.raises(RecipientLimit) as caught:
        check(SendLimits(4, 2), Sent(3, 3))
    assert " 2 recipients" in caught.value.public and "max_first_time_recipients_per_day" in caught.value.public
