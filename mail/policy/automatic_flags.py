"""Which junk flag a mailbox gives to what is put into it (features B07).

Mail programs let people move messages, few let them set $Junk; so the mailbox says it. The one with the special use
\\Junk always means junk, the one with \\Trash nothing. Otherwise the patterns of the account are tried on the
lower-cased name: junk, neutral, not junk; of three patterns one may be empty, and then its class takes what the two
others leave.
"""

from functools import lru_cache
from typing import Literal

from mail.errors import Invalid
from mail.policy.account_rules import AccountRules
from mail.policy.patterns import compiled, matches

JunkClass = Literal["junk", "neutral", "notjunk"]


def check_patterns(rules: AccountRules) -> None:
    """Invalid names the pattern that is none."""
    for name in ("junk_mailboxes", "neutral_mailboxes", "notjunk_mailboxes"):
        try:
            compiled(getattr(rules, name))
        except Invalid as error:
            raise Invalid(public=f"{name}: {error.public}") from error


@lru_cache(maxsize=4096)
def class_for(mailbox_name: str, special_uses: str, rules: AccountRules) -> JunkClass | None:
    """None: what is put there keeps its flags. `neutral`: it loses both. Never raises."""
    if "\\Junk" in special_uses.split():
        return "junk"
    # People throw away good mail and bad alike: lying in the trash says neither.
    if not rules.automatic_flags or "\\Trash" in special_uses.split():
        return None
    patterns: tuple[tuple[JunkClass, str], ...] = (
        ("junk", rules.junk_mailboxes),
        ("neutral", rules.neutral_mailboxes),
        ("notjunk", rules.notjunk_mailboxes),
    )
    for meant, pattern in patterns:
        if pattern and matches(pattern, mailbox_name):
            return meant
    unset = [meant for meant, pattern in patterns if not pattern]
    return unset[0] if len(unset) == 1 else None
