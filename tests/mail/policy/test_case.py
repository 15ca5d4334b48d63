from dataclasses import replace

from mail.policy.case import case_of
from mail.policy.facts import MessageFacts, RecipientFacts

NOW = 1_760_000_000_000
MESSAGE = MessageFacts(ip="192.0.2.1", iprev="pass", tls=True)
RECIPIENT = RecipientFacts(rcpt_to="a@ours.example", history={})


def test_the_first_odd_thing_about_a_delivery_is_the_one_that_is_named() -> None:
    odd = replace(MESSAGE, iprev="fail", tls=False)
    bcc = replace(RECIPIENT, in_to_or_cc=False)
    assert case_of(odd, bcc, NOW).strict == "iprev"
    assert case_of(replace(odd, iprev="pass"), bcc, NOW).strict == "no-tls"
    assert case_of(MESSAGE, bcc, NOW).strict == "not-addressed"
    assert case_of(MESSAGE, RECIPIENT, NOW).strict == ""


def test_the_threshold_of_a_strict_case_is_a_quarter_and_the_own_one_is_kept_beside_it() -> None:
    case = case_of(replace(MESSAGE, tls=False), replace(RECIPIENT, noise=0.01), NOW)
    assert case.threshold == 0.25 and round(case.base_threshold, 2) == 0.96


def test_the_intended_mailbox_is_the_rulesets_else_the_destinations_else_the_inbox() -> None:
    ruled = replace(RECIPIENT, mailbox="Shop", ruleset_mailbox="Lists")
    assert case_of(MESSAGE, ruled, NOW).intended == "Lists"
    assert case_of(MESSAGE, replace(ruled, ruleset_mailbox=""), NOW).intended == "Shop"
    assert case_of(MESSAGE, replace(ruled, ruleset_mailbox="", mailbox=""), NOW).intended == "Inbox"
