"""Mail that the keeper knows nothing of: why it was not taken, in a stable word and in words for the administrator.

What is refused at MAIL, RCPT or while content comes, and what the keeper could not take because of a fault of its own,
leaves a record in the trace like every other message (features B14), so that "it never arrived" has an answer.
"""

from dataclasses import dataclass
from typing import Any

from mail.errors import Invalid, MailError, StorageFull

TEXT_MAX = 500

SENTENCES: dict[str, str] = {
    "sender-unreachable": "The sender's domain takes no mail: nobody there could be answered or told of a failure.",
    "relay-denied": "The recipient's domain is not ours and the client had not logged in; we relay for nobody.",
    "unknown-recipient": "There is no such address here.",
    "recipient-refused": "The address is set to refuse mail, with the reply shown.",
    "domain-disabled": "The domain is switched off at the moment; the sender will try again.",
    "null-sender-recipients": "A notification has one recipient; the sender was told to send to one at a time.",
    "too-many-recipients": "More recipients in one transaction than we take; the sender will begin another.",
    "too-large": "The message is larger than we take.",
    "smuggling": "A bare CR or LF in the message could have smuggled a second one past us.",
    "nul": "The message has a NUL octet.",
    "long-line": "A line of the message is longer than any program could want.",
    "no-space": "The disk has no room above its reserve; the sender will try again.",
    "loop": "The message has passed more than a hundred servers: it goes in circles.",
    "not-stored": "It had come and could not be stored, for the reason in the reply; the sender will try again.",
}

# Found out while the content comes, not by MAIL or RCPT.
_BY_CONTENT = frozenset({"too-large", "smuggling", "nul", "long-line", "no-space", "loop"})


def reason_for(error: MailError) -> str:
    """The word for a message that had come, and that we failed to take."""
    return "no-space" if isinstance(error, StorageFull) else "not-stored"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient of one message that was not taken; `rcpt_to` empty when the sender was refused."""

    at: int
    cid: str
    ip: str
    ehlo_name: str
    mail_from: str
    rcpt_to: str
    code: int
    enhanced: str
    text: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Refusal":
        """Invalid for what is no refusal of ours."""
        try:
            texts = {
                name: str(values[name])[:TEXT_MAX]
                for name in ("cid", "ip", "ehlo_name", "mail_from", "rcpt_to", "enhanced", "text")
            }
            reason = str(values["reason"])
            if reason not in SENTENCES:
                raise ValueError(reason)
            return cls(at=int(values["at"]), code=int(values["code"]), reason=reason, **texts)
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid(f"refusal: {error!r}") from error

    @property
    def stage(self) -> str:
        """The command that was refused: MAIL, RCPT or DATA (or BDAT); END when all of the message had come."""
        if not self.rcpt_to:
            return "MAIL"
        if self.reason == "not-stored":
            return "END"
        return "DATA" if self.reason in _BY_CONTENT else "RCPT"

    @property
    def detail(self) -> dict[str, Any]:
        """What the trace keeps beside its columns."""
        return {
            "sentence": SENTENCES[self.reason],
            "reply": f"{self.code} {self.enhanced} {self.text}",
            "stage": self.stage,
            "ip": self.ip,
            "ehlo_name": self.ehlo_name,
        }
