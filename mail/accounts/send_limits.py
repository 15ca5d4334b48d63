"""How much an account may send in 24 hours, whichever door it sends by (features S09). Pure.

A stolen password is worth what can be sent with it. Two limits, each of one message a recipient:

    max_outgoing_messages_per_day       recipients in all
    max_first_time_recipients_per_day   recipients it never sent to before; looked at only once as many recipients as
                                        that, old and new, were sent to
"""

from dataclasses import dataclass

from mail.errors import MessageLimit, RecipientLimit

MESSAGES_DEFAULT = 1000
FIRST_TIME_DEFAULT = 200
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class SendLimits:
    """As an account has them; 0 is the default."""

    max_outgoing_messages_per_day: int = 0
    max_first_time_recipients_per_day: int = 0

    @property
    def messages(self) -> int:
        return self.max_outgoing_messages_per_day or MESSAGES_DEFAULT

    @property
    def first_time(self) -> int:
        return self.max_first_time_recipients_per_day or FIRST_TIME_DEFAULT


@dataclass(frozen=True, slots=True)
class Sent:
    """Recipients of the last 24 hours, those about to be sent to included."""

    recipients: int
    first_time: int


def check(limits: SendLimits, sent: Sent) -> None:
    """MessageLimit or RecipientLimit when that is more than allowed; the words name the limit and its setting."""
    if sent.recipients > limits.messages:
        raise MessageLimit(
            public=f"account may send {limits.messages} messages in 24 hours, one a recipient:"
            " the limit max_outgoing_messages_per_day is reached"
        )
    if sent.recipients >= limits.first_time and sent.first_time > limits.first_time:
        raise RecipientLimit(
            public=f"account may send to {limits.first_time} recipients in 24 hours that it never sent to before:"
            " the limit max_first_time_recipients_per_day is reached"
        )
