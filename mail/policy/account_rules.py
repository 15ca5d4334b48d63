"""What an account wants done with mail from strangers: junk filter, Rejects, automatic flags (features B02).

Kept as JSON beside the account; a name that is not there has its default, so that a new default reaches everyone who
did not choose.
"""

import unicodedata
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson

from mail.errors import Invalid

PATTERN_MAX = 500


@dataclass(frozen=True, slots=True)
class AccountRules:
    junk_filter: bool = True
    junk_threshold: float = 0.95
    # Where copies of what was refused go; empty: nowhere.
    rejects_mailbox: str = "Rejects"
    keep_rejects: bool = False
    # Where mail of unknown senders goes instead of the inbox; empty: the inbox.
    introbox: str = ""
    first_time_delay: bool = True
    # How long a word to put into the subject lets a refused sender in; 0: none is given.
    subject_pass_hours: int = 12
    automatic_flags: bool = True
    # Linear-time regular expressions on the lower-cased name of a mailbox; empty: whatever the others leave.
    junk_mailboxes: str = "^(junk|spam)"
    neutral_mailboxes: str = "^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)"
    notjunk_mailboxes: str = ""


def parse_rules(text: str) -> AccountRules:
    """The rules of a JSON object with some of the names. Invalid names what is unknown or cannot be."""
    given = orjson.loads(text or "{}")
    known = {one.name: one for one in fields(AccountRules)}
    for name, value in given.items():
        if name not in known:
            raise Invalid(public=f"{name} is no rule of an account; there are {', '.join(known)}")
        given[name] = _typed(name, known[name].default, value)
    rules = AccountRules(**given)
    _check(rules)
    return rules


def _typed(name: str, default: Any, value: Any) -> Any:
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise Invalid(public=f"{name}: {value!r} should be {type(default).__name__}")
    return value


def _check(rules: AccountRules) -> None:
    if not 0.0 < rules.junk_threshold < 1.0:
        raise Invalid(public=f"junk_threshold: {rules.junk_threshold} should be between 0 and 1")
    if not 0 <= rules.subject_pass_hours <= 24 * 30:
        raise Invalid(public=f"subject_pass_hours: {rules.subject_pass_hours} should be 0 to 720")
    for name in ("rejects_mailbox", "introbox"):
        text = getattr(rules, name)
        if text != unicodedata.normalize("NFC", text) or text.lower() == "inbox":
            raise Invalid(public=f"{name}: {text!r} should be another mailbox than the inbox, in Unicode's form NFC")
    for name in ("junk_mailboxes", "neutral_mailboxes", "notjunk_mailboxes"):
        if len(getattr(rules, name)) > PATTERN_MAX:
            raise Invalid(public=f"{name}: longer than {PATTERN_MAX} characters")


def render_rules(rules: AccountRules) -> str:
    """Only what differs from the defaults."""
    default = asdict(AccountRules())
    return orjson.dumps({name: value for name, value in asdict(rules).items() if value != default[name]}).decode()
