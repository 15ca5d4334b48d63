"""The local bundle: localparts that make our own server fail, so that others can test theirs (features §1i).

suffix  temperror -> 451, permerror -> 550, three digits 400 to 599 -> that code, timeout -> an hour of silence
prefix  mailfrom (of the sender) -> at MAIL, rcptto -> at RCPT, queue -> later, in the queue; else at the end of DATA
"""

import re
from dataclasses import dataclass

from mail.address import Address
from mail.smtp.replies import Reply

_SUFFIX = re.compile(r"(temperror|permerror|timeout|[45][0-9]{2})$")
TEMPORARY = Reply(451, "4.0.0", "Simulated temporary error")
PERMANENT = Reply(550, "5.0.0", "Simulated permanent error")


@dataclass(frozen=True, slots=True)
class Simulated:
    reply: Reply
    silent: bool = False


def _failure(localpart: str) -> Simulated | None:
    match = _SUFFIX.search(localpart)
    if match is None:
        return None
    match match[1]:
        case "temperror":
            return Simulated(TEMPORARY)
        case "permerror":
            return Simulated(PERMANENT)
        case "timeout":
            return Simulated(TEMPORARY, silent=True)
        case code:
            return Simulated(Reply(int(code), f"{code[0]}.0.0", f"Simulated error {code}"))


def at_mail(sender: Address) -> Simulated | None:
    localpart = sender.localpart.lower()
    return _failure(localpart) if localpart.startswith("mailfrom") else None


def at_rcpt(recipient: Address) -> Simulated | None:
    localpart = recipient.localpart.lower()
    return _failure(localpart) if localpart.startswith("rcptto") else None


def at_end(recipients: list[Address]) -> Simulated | None:
    """The first recipient that fails at the end of DATA."""
    for recipient in recipients:
        localpart = recipient.localpart.lower()
        if not localpart.startswith(("queue", "rcptto")):
            failure = _failure(localpart)
            if failure is not None:
                return failure
    return None
