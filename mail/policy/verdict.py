"""What was decided about a message for one recipient, and how it is told: to the sender, to the owner, to the admin."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from mail.policy.facts import RecipientFacts, Word
from mail.smtp.replies import Reply

ACCEPT, REJECT, REJECTS_TO_MAILBOX = "accept", "reject", "rejects-to-mailbox"

# Stable words: metrics, logs, traces and tests key on them. The methods of `mail.policy.reputation` are reasons too.
REASONS = (
    *("high-rate", "list-allow", "author-defect", "dmarc-policy", "msg-auth-required"),
    *("reputation-error", "reporting", "spf-policy", "iprev", "subjectpass-error", "subjectpass"),
    *("junk-filter-error", "junk-classify-error", "junk-content", "junk-content-strict", "dns-blocklisted"),
    *("give-subjectpass", "no-bad-signals", "over-quota"),
    *("msgfromfull", "msgtofull", "msgfromdomain", "msgfromorgdomain", "msgtodomain", "msgtoorgdomain"),
    *("dkimspf", "ip1", "ip2", "ip3"),
)

HEADER_MAX = 900
WORDS_SHOWN = 5
_UNPRINTABLE = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one rule says. Without a reply: take it."""

    reason: str
    sentence: str
    reply: Reply | None = None
    convertible: bool = True  # a ruleset may have the refused message taken into a mailbox of its own
    kept: bool = True  # a copy goes to Rejects


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`sentence` and `considered` are for people; all else is for programs."""

    action: str  # ACCEPT; REJECT with `reply`; or REJECTS_TO_MAILBOX: refused by us, taken because a ruleset wants it
    reason: str
    sentence: str
    considered: tuple[str, ...] = ()
    reply: Reply | None = None
    mailbox: str = ""  # where it is put; empty when it is refused
    intended: str = ""  # whose history its marks will make
    rejects_mailbox: str = ""  # where a copy is kept, once and for a while, though it is refused; empty: nowhere
    delay: bool = False  # the delay for first-time senders comes before the reply
    is_mailing_list: bool = False
    is_forward: bool = False
    method: str = "none"  # of the reputation
    strict: str = ""  # why the threshold was lowered
    threshold: float | None = None  # None: the content was not weighed
    overrides: tuple[str, ...] = ()  # RFC 7489 §7.2: why DMARC's policy was not followed
    evaluation: str = ""  # the disposition of the DMARC evaluation to be stored, none or reject; empty: not stored
    evaluation_optional: bool = False  # stored, but no reason to send a report

    @property
    def is_reject(self) -> bool:
        """What is stored of it is marked as seen and as a reject."""
        return self.action != ACCEPT

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def reason_header(verdict: Verdict, recipient: RecipientFacts) -> str:
    """The value of X-Mailstead-Reason: the reason and all that was considered, in printable ASCII on one line."""
    parts = [verdict.reason, verdict.sentence, *verdict.considered]
    if verdict.threshold is not None:
        parts += _words("good", recipient.ham_words) + _words("junk", recipient.spam_words)
    text = "; ".join(parts).encode("ascii", "backslashreplace").decode()
    return _UNPRINTABLE.sub(" ", text)[:HEADER_MAX].strip()


def _words(kind: str, words: tuple[Word, ...]) -> list[str]:
    shown = ", ".join(f"{one.word} {one.score:.2f}" for one in words[:WORDS_SHOWN])
    return [f"{kind} words: {shown}"] if shown else []
