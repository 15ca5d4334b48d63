"""The options of `mailctl account set` that come from what an account has: its limits and its rules."""

from collections.abc import Callable
from dataclasses import fields

import click

from mail.accounts.send_limits import FIRST_TIME_DEFAULT, MESSAGES_DEFAULT
from mail.policy.account_rules import AccountRules

RULE_WORDS = {
    "junk_filter": "Judge mail by the words its owner called junk.",
    "junk_threshold": "From which probability on it is junk, 0 to 1.",
    "rejects_mailbox": "Where copies of refused mail go; empty: nowhere.",
    "keep_rejects": "Keep them all, however old and many.",
    "introbox": "Where mail of unknown senders goes; empty: the inbox.",
    "first_time_delay": "Take mail of unknown senders slowly.",
    "subject_pass_hours": "How long a word for the subject lets a refused sender in; 0: none is given.",
    "automatic_flags": "Call a message junk or not by the mailbox it is moved to.",
    "junk_mailboxes": "Expression on the names of mailboxes that make junk.",
    "neutral_mailboxes": "Expression on the names of mailboxes that say nothing.",
    "notjunk_mailboxes": "Expression on the names of mailboxes that make good mail.",
}


LIMIT_WORDS = {
    "max_outgoing_messages_per_day": f"Messages it may send in 24 hours, one a recipient; 0: {MESSAGES_DEFAULT}.",
    "max_first_time_recipients_per_day": f"Of them to recipients it never sent to before; 0: {FIRST_TIME_DEFAULT}.",
}


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each limit on what an account sends."""
    for name, words in reversed(LIMIT_WORDS.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, type=click.IntRange(min=0), help=words)(command)
    return command


def rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each rule of an account."""
    for one in reversed(fields(AccountRules)):
        flag, words = one.name.replace("_", "-"), RULE_WORDS.get(one.name, "")
        if isinstance(one.default, bool):
            option = click.option(f"--{flag}/--no-{flag}", one.name, default=None, help=words)
        else:
            option = click.option(f"--{flag}", one.name, type=type(one.default), help=words)
        command = option(command)
    return command
