"""Rules of an account: defaults, refusals that name the rule, and what is kept."""

import pytest

from mail.errors import Invalid
from mail.policy.account_rules import AccountRules, parse_rules, render_rules


def test_what_is_not_given_has_its_default():
    assert parse_rules("{}") == AccountRules()
    assert parse_rules('{"introbox": "Introbox"}').junk_threshold == 0.95


def test_only_what_was_chosen_is_kept():
    assert render_rules(AccountRules()) == "{}"
    assert render_rules(parse_rules('{"junk_threshold": 0.9, "keep_rejects": false}')) == '{"junk_threshold":0.9}'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"junk_treshold": 0.9}', "junk_treshold"),
        ('{"junk_threshold": 1}', "junk_threshold"),
        ('{"junk_threshold": "0.9"}', "junk_threshold"),
        ('{"keep_rejects": 1}', "keep_rejects"),
        ('{"rejects_mailbox": "INBOX"}', "rejects_mailbox"),
        ('{"introbox": "e\\u0301"}', "introbox"),
        ('{"subject_pass_hours": -1}', "subject_pass_hours"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, named: str):
    with pytest.raises(Invalid, match=named):
        parse_rules(text)
