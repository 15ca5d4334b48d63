from dataclasses import replace

from mail.policy.evaluation import asks_for_refusal, disposition, is_optional, overrides
from mail.policy.facts import MessageFacts, RecipientFacts

FAILS = MessageFacts(ip="192.0.2.1", dmarc="fail", dmarc_policy="quarantine", dmarc_wants_reports=True)


def test_quarantine_asks_for_refusal_and_a_sampled_out_message_does_not() -> None:
    assert asks_for_refusal(FAILS)
    assert not asks_for_refusal(replace(FAILS, dmarc_sampled_out=True))
    assert not asks_for_refusal(replace(FAILS, dmarc_policy="none"))
    assert not asks_for_refusal(replace(FAILS, dmarc="temperror"))


def test_an_override_is_named_only_where_there_was_a_policy_to_override() -> None:
    assert overrides(FAILS, is_mailing_list=True, is_forward=False) == ("mailing_list",)
    assert overrides(replace(FAILS, dmarc="pass"), is_mailing_list=True, is_forward=True) == ()


def test_a_disposition_is_never_quarantine_and_never_without_a_reader() -> None:
    assert disposition(FAILS, "dmarc-policy", accepted=False, refused=True) == "reject"
    assert disposition(FAILS, "dmarc-policy", accepted=False, refused=False) == "none"
    assert disposition(FAILS, "junk-content", accepted=False, refused=True) == ""
    unread = replace(FAILS, dmarc_wants_reports=False)
    assert disposition(unread, "no-bad-signals", accepted=True, refused=False) == ""


def test_a_policy_reject_counts_when_the_account_knows_the_domain() -> None:
    recipient = RecipientFacts(rcpt_to="a@ours.example")
    assert is_optional(recipient, "dmarc-policy")
    assert not is_optional(replace(recipient, org_domain_known=True), "dmarc-policy")
    assert not is_optional(recipient, "no-bad-signals")
