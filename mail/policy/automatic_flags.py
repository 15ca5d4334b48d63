"""Which junk flag a mailbox gives to what is put into it (features B07).

Mail programs let people move messages, few let them set $Junk; so the mailbox says it. The one with the special use
\\Junk always means junk. Otherwise the patterns of the account are tried on the lower-cased name: junk, neutral, not
junk; of three patterns one may be empty, and then its class takes what the two others leave.
"""

from functools import lru_cache
from typing import Any, Literal

import re2

from mail.errors import Invalid
from mail.policy.account_rules import AccountRules

JunkClass = Literal["junk", "neutral", "notjunk"]


def check_patterns(rules: AccountRules) -> None:
    """Invalid names the pattern that is none."""
    for name in ("junk_mailboxes", "neutral_mailboxes", "notjunk_mailboxes"):
        pattern = getattr(rules, name)
        if pattern and _compiled(pattern) is None:
            raise Invalid(public=f"{name}: {pattern!r} is not a regular expression in the syntax of RE2")


@lru_cache(maxsize=4096)
def class_for(mailbox_name: str, special_uses: str, rules: AccountRules) -> JunkClass | None:
    """None: what is put there keeps its flags. `neutral`: it loses both. Never raises."""
    if "\\Junk" in special_uses.split():
        return "junk"
    if not rules.automatic_flags:
        return None
    patterns: tuple[tuple[JunkClass, str], ...] = (
        ("junk", rules.junk_mailboxes),
        ("neutral", rules.neutral_mailboxes),
        ("notjunk", rules.notjunk_mailboxes),
    )
    name = mailbox_name.lower()
    for meant, pattern in patterns:
        compiled = _compiled(pattern) if pattern else None
        if compiled is not None and compiled.search(name):
            return meant
    unset = [meant for meant, pattern in patterns if not pattern]
    return unset[0] if len(unset) == 1 else None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    """None for what is no pattern: it matches nothing."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None
