import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.policy.facts import Key, MessageFacts, Past, RecipientFacts, Signature
from mail.policy.incoming import RULES, decide, replay
from mail.policy.reputation import keys_of_message, keys_of_recipient
from mail.policy.verdict import ACCEPT, REASONS, REJECT, REJECTS_TO_MAILBOX, Verdict, reason_header
from tests.mail.policy.drawn import messages, recipients

NOW = 1_760_000_000_000

STRANGER = MessageFacts(
    ip="192.0.2.1",
    ehlo_name="mx.x.example",
    tls=True,
    iprev="pass",
    spf="pass",
    spf_domain="x.example",
    mail_from="a@x.example",
    dkim=(Signature("pass", "x.example"),),
    dmarc="pass",
    dmarc_domain="x.example",
    dmarc_policy="none",
    author="a@x.example",
    from_domain="x.example",
    org_domain="x.example",
    from_validated=True,
    to_and_cc=("me@ours.example",),
)
ME = RecipientFacts(
    rcpt_to="me@ours.example",
    rejects_mailbox="Rejects",
    history={},
    has_junk_filter=True,
    probability=0.5,
    significant=True,
)
FORGED = replace(STRANGER, spf="none", dkim=(), dmarc="fail", dmarc_policy="reject", from_validated=False)


def refused(verdict: Verdict) -> tuple[int, str, str]:
    assert verdict.action == REJECT and verdict.reply is not None
    return verdict.reply.code, verdict.reply.enhanced, verdict.reason


def marked(message: MessageFacts, *, junk: bool, times: int = 1) -> dict[Key, tuple[Past, ...]]:
    past = tuple(Past(NOW - 1000 - number, junk, "a") for number in range(times))
    return dict.fromkeys(keys_of_message(message), past)


def knowing(message: MessageFacts, *, junk: bool, times: int = 1) -> RecipientFacts:
    return replace(ME, history=marked(message, junk=junk, times=times))


def test_the_first_message_of_a_verified_stranger_is_taken_after_a_delay() -> None:
    verdict = decide(STRANGER, ME, NOW)
    assert (verdict.action, verdict.reason, verdict.mailbox) == (ACCEPT, "no-bad-signals", "Inbox")
    assert verdict.delay and not verdict.is_reject


def test_no_delay_for_a_known_sender_nor_where_the_account_wants_none() -> None:
    known = decide(STRANGER, knowing(STRANGER, junk=False), NOW)
    assert (known.reason, known.delay) == ("msgfromfull", False)
    assert not decide(STRANGER, replace(ME, no_first_time_delay=True), NOW).delay


def test_no_delay_for_forwards_lists_reports_or_what_is_refused() -> None:
    forward = replace(ME, ruleset_id=1, is_forward=True, forwarder_domain="x.example", ruleset_mailbox="Forwarded")
    assert decide(STRANGER, forward, NOW).reason == "no-bad-signals"
    for recipient in (
        forward,
        replace(ME, list_allow_domain="x.example"),
        replace(ME, report_address="dmarc", report_valid=True),
        replace(ME, probability=1.0),
        replace(ME, probability=1.0, accept_rejects_to="Suspicious"),
    ):
        assert not decide(STRANGER, recipient, NOW).delay


def test_i_wrote_to_them_so_their_first_message_comes_without_delay() -> None:
    history = {key: (Past(NOW - 86_400_000 * 365),) for key in keys_of_recipient("a@x.example", "x.example")}
    verdict = decide(replace(STRANGER, tls=False), replace(ME, history=history, probability=1.0), NOW)
    assert (verdict.action, verdict.reason, verdict.delay) == (ACCEPT, "msgtofull", False)


def test_content_of_a_half_is_taken_over_tls_and_refused_in_the_clear() -> None:
    assert decide(STRANGER, ME, NOW).action == ACCEPT
    verdict = decide(replace(STRANGER, tls=False), ME, NOW)
    assert refused(verdict) == (451, "4.3.0", "junk-content-strict")
    assert (verdict.strict, verdict.threshold, verdict.rejects_mailbox) == ("no-tls", 0.25, "Rejects")


def test_content_of_a_half_is_refused_when_the_recipient_is_not_addressed() -> None:
    verdict = decide(STRANGER, replace(ME, in_to_or_cc=False), NOW)
    assert (verdict.reason, verdict.strict) == ("junk-content-strict", "not-addressed")


def test_content_of_a_half_is_refused_when_reverse_dns_is_wrong() -> None:
    verdict = decide(replace(STRANGER, iprev="fail"), ME, NOW)
    assert (verdict.reason, verdict.strict) == ("junk-content-strict", "iprev")


def test_ham_is_taken_in_all_odd_deliveries() -> None:
    ham = replace(ME, probability=0.19)
    assert decide(replace(STRANGER, tls=False), ham, NOW).action == ACCEPT
    assert decide(STRANGER, replace(ham, in_to_or_cc=False), NOW).action == ACCEPT
    assert decide(replace(STRANGER, iprev="fail"), ham, NOW).action == ACCEPT


def test_a_known_validated_sender_may_come_in_the_clear_and_by_bcc() -> None:
    recipient = replace(knowing(STRANGER, junk=False), in_to_or_cc=False, probability=1.0)
    assert decide(replace(STRANGER, tls=False), recipient, NOW).action == ACCEPT


def test_forwarded_mail_need_not_be_addressed_but_must_be_encrypted() -> None:
    recipient = replace(ME, is_forward=True, forwarder_domain="x.example", in_to_or_cc=False)
    assert decide(STRANGER, recipient, NOW).action == ACCEPT
    assert decide(replace(STRANGER, tls=False), recipient, NOW).reason == "junk-content-strict"


def test_without_a_junk_filter_the_strict_rules_have_no_effect() -> None:
    recipient = replace(ME, has_junk_filter=False, probability=None, in_to_or_cc=False)
    verdict = decide(replace(STRANGER, tls=False), recipient, NOW)
    assert (verdict.action, verdict.reason, verdict.threshold) == (ACCEPT, "no-bad-signals", None)


def test_a_threshold_that_is_lower_is_not_raised() -> None:
    verdict = decide(replace(STRANGER, tls=False), replace(ME, threshold=0.1, probability=0.2), NOW)
    assert (verdict.reason, verdict.strict, verdict.threshold) == ("junk-content", "", 0.1)


def test_noise_moves_the_threshold() -> None:
    assert decide(STRANGER, replace(ME, probability=0.93), NOW).action == ACCEPT
    assert decide(STRANGER, replace(ME, probability=0.93, noise=-0.05), NOW).reason == "junk-content"


def test_a_filter_that_learnt_little_is_not_believed_unless_reverse_dns_is_wrong() -> None:
    recipient = replace(ME, probability=1.0, significant=False)
    assert decide(replace(STRANGER, tls=False), recipient, NOW).action == ACCEPT
    for wrong in ("fail", "permerror"):
        assert decide(replace(STRANGER, iprev=wrong), recipient, NOW).reason == "junk-content-strict"


def test_a_dns_that_does_not_answer_refuses_nobody() -> None:
    """Security MA-3: what could not be had is noted, and is no sign of junk."""
    silent = replace(STRANGER, iprev="temperror", spf="temperror", dmarc="temperror", dkim=(), from_validated=False)
    assert decide(silent, replace(ME, probability=0.5, significant=False), NOW).action == ACCEPT
    assert decide(silent, replace(ME, probability=0.5), NOW).action == ACCEPT


def test_a_broken_filter_refuses_for_a_while_by_its_own_name() -> None:
    assert refused(decide(STRANGER, replace(ME, junk_filter_broken=True), NOW))[::2] == (451, "junk-filter-error")
    assert refused(decide(STRANGER, replace(ME, probability=None), NOW))[::2] == (451, "junk-classify-error")
    assert refused(decide(STRANGER, replace(ME, history=None), NOW))[::2] == (451, "reputation-error")
    assert refused(decide(STRANGER, replace(ME, subject_pass="error"), NOW))[::2] == (451, "subjectpass-error")


def test_spf_fail_or_softfail_of_an_unknown_sender_is_refused() -> None:
    for result in ("fail", "softfail"):
        assert refused(decide(replace(STRANGER, spf=result, dkim=()), ME, NOW)) == (451, "4.3.0", "spf-policy")
    failing = replace(STRANGER, spf="softfail")
    assert decide(failing, knowing(STRANGER, junk=False), NOW).reason == "msgfromfull"
    assert decide(replace(STRANGER, spf="temperror"), ME, NOW).action == ACCEPT


def test_spf_fail_of_a_sender_with_some_history_is_left_to_the_content() -> None:
    unproved = replace(STRANGER, spf="fail", dkim=(), dmarc="none", from_validated=False)
    verdict = decide(unproved, knowing(unproved, junk=False), NOW)
    assert (verdict.action, verdict.reason, verdict.method) == (ACCEPT, "no-bad-signals", "msgfromfull")


def test_spf_fail_with_no_policy_of_dmarc_is_no_refusal_for_a_domain_we_know() -> None:
    other = replace(STRANGER, author="b@x.example", spf="fail")
    verdict = decide(other, knowing(STRANGER, junk=False, times=2), NOW)
    assert (verdict.action, verdict.reason) == (ACCEPT, "msgfromdomain")


def test_a_mild_sign_of_junk_and_wrong_reverse_dns_are_enough() -> None:
    once = knowing(replace(STRANGER, author="z@z.example", from_domain="z.example", org_domain="z.example"), junk=True)
    assert decide(STRANGER, replace(once, probability=0.0), NOW).action == ACCEPT
    assert refused(decide(replace(STRANGER, iprev="fail"), replace(once, probability=0.0), NOW))[2] == "iprev"


def test_conclusive_junk_is_refused_for_a_while_so_that_it_may_be_rescued() -> None:
    verdict = decide(STRANGER, replace(knowing(STRANGER, junk=True, times=2), probability=0.0), NOW)
    assert refused(verdict) == (451, "4.3.0", "msgfromfull")
    assert verdict.reply is not None and verdict.reply.text == "error processing"
    assert verdict.rejects_mailbox == "Rejects" and verdict.is_reject


def test_dmarc_reject_and_quarantine_are_both_refused() -> None:
    for policy in ("reject", "quarantine"):
        verdict = decide(replace(FORGED, dmarc_policy=policy), ME, NOW)
        assert refused(verdict) == (550, "5.7.26", "dmarc-policy")
        assert verdict.reply is not None and "rejecting per dmarc policy" in verdict.reply.text


def test_dmarc_none_sampled_out_or_temporarily_failing_refuses_nothing() -> None:
    for spared in (
        replace(FORGED, dmarc_policy="none"),
        replace(FORGED, dmarc_policy="quarantine", dmarc_sampled_out=True),
        replace(FORGED, dmarc="temperror"),
    ):
        assert decide(spared, ME, NOW).action == ACCEPT


def test_an_author_that_is_not_one_is_refused_as_if_dmarc_failed() -> None:
    two = replace(STRANGER, author="", author_defect="two From fields", dmarc="permerror", from_validated=False)
    assert refused(decide(two, ME, NOW)) == (550, "5.7.1", "author-defect")
    # Without a DNS nobody is authenticated, and so nobody is refused for want of it.
    assert decide(replace(two, dmarc="none"), ME, NOW).reason == "no-bad-signals"


def test_a_mailing_list_that_is_allowed_passes_dmarc_and_everything_after_it() -> None:
    via_list = replace(FORGED, spf="pass", spf_domain="list.example", mail_from="l@list.example")
    recipient = replace(ME, ruleset_id=1, ruleset_mailbox="Lists", list_allow_domain="list.example", probability=1.0)
    verdict = decide(via_list, recipient, NOW)
    assert (verdict.action, verdict.reason, verdict.mailbox) == (ACCEPT, "list-allow", "Lists")
    assert verdict.is_mailing_list and verdict.overrides == ("mailing_list",)
    forged = replace(via_list, spf="softfail")
    assert decide(forged, recipient, NOW).reason == "dmarc-policy"


def test_a_forwarder_passes_dmarc_and_is_itself_not_judged() -> None:
    forwarded = replace(FORGED, spf="pass", spf_domain="fwd.example", mail_from="srs@fwd.example")
    bad_forwarder = marked(
        replace(forwarded, author="z@z.example", from_domain="z.example", org_domain="z.example"), junk=True, times=9
    )
    recipient = replace(ME, is_forward=True, forwarder_domain="fwd.example", history=bad_forwarder)
    verdict = decide(forwarded, recipient, NOW)
    assert (verdict.action, verdict.method, verdict.overrides) == (ACCEPT, "none", ("forwarded",))
    assert decide(forwarded, replace(recipient, is_forward=False), NOW).reason == "dmarc-policy"


def test_an_address_that_needs_a_verified_author_says_so_in_its_words() -> None:
    recipient = replace(ME, auth_required_text="we only answer verified mail")
    unverified = replace(FORGED, dmarc_policy="none")
    verdict = decide(unverified, recipient, NOW)
    assert refused(verdict) == (550, "5.7.26", "msg-auth-required")
    assert verdict.reply is not None and verdict.reply.text == "we only answer verified mail"
    assert refused(decide(replace(unverified, spf="temperror"), recipient, NOW)) == (451, "4.7.26", "msg-auth-required")
    assert decide(STRANGER, recipient, NOW).action == ACCEPT


def test_too_high_a_rate_comes_first_and_leaves_nothing_behind() -> None:
    recipient = replace(ME, rate_exceeded="more than 500 messages a minute", accept_rejects_to="Suspicious")
    verdict = decide(FORGED, recipient, NOW)
    assert refused(verdict) == (452, "4.2.2", "high-rate")
    assert (verdict.rejects_mailbox, verdict.mailbox) == ("", "")


def test_a_full_account_refuses_what_it_would_have_taken() -> None:
    full = replace(ME, over_quota=True)
    assert refused(decide(STRANGER, full, NOW)) == (452, "4.2.2", "over-quota")
    assert refused(decide(FORGED, full, NOW))[2] == "dmarc-policy"
    assert refused(decide(FORGED, replace(full, accept_rejects_to="Suspicious"), NOW))[2] == "over-quota"
    assert decide(FORGED, full, NOW).rejects_mailbox == ""


def test_a_valid_report_is_taken_unless_its_sender_is_known_for_junk() -> None:
    address = replace(ME, mailbox="DMARC", report_address="dmarc", probability=1.0)
    assert decide(STRANGER, replace(address, report_valid=True), NOW).reason == "reporting"
    assert decide(STRANGER, address, NOW).reason == "junk-content"
    known = replace(address, report_valid=True, history=marked(STRANGER, junk=True, times=2))
    assert decide(STRANGER, known, NOW).action == REJECT


def test_a_listed_client_is_refused_even_with_good_content() -> None:
    listed = replace(STRANGER, dnsbl=("bl.example",))
    verdict = decide(listed, ME, NOW)
    assert refused(verdict) == (451, "4.3.0", "dns-blocklisted")
    assert "bl.example" in verdict.sentence
    assert decide(listed, knowing(STRANGER, junk=False), NOW).action == ACCEPT


def test_a_moderately_bad_stranger_with_a_true_name_is_told_of_the_subject_pass() -> None:
    offered = replace(ME, subject_pass_token="(pass:AAAAAAAAAAAAAAAAAAAAAA)")
    for message in (replace(STRANGER, dnsbl=("bl.example",)), replace(STRANGER, tls=False)):
        verdict = decide(message, offered, NOW)
        assert refused(verdict) == (550, "5.7.1", "give-subjectpass")
        assert verdict.reply is not None and "(pass:AAAAAAAAAAAAAAAAAAAAAA)" in verdict.reply.text
        assert decide(message, replace(offered, subject_pass="valid"), NOW).reason == "subjectpass"
        assert refused(decide(replace(message, dmarc="none"), offered, NOW))[0] == 451
    assert decide(STRANGER, replace(offered, probability=1.0), NOW).reason == "junk-content"
    neighbour = replace(STRANGER, author="z@z.example", from_domain="z.example", org_domain="z.example")
    somewhat_known = replace(offered, history=marked(neighbour, junk=True))
    assert decide(replace(STRANGER, tls=False), somewhat_known, NOW).reason == "junk-content-strict"
    assert decide(replace(STRANGER, tls=False), replace(offered, probability=0.9), NOW).reason == "junk-content-strict"


def test_unknown_senders_go_to_the_introbox_when_there_is_one() -> None:
    recipient = replace(ME, introbox="Introbox")
    verdict = decide(STRANGER, recipient, NOW)
    assert (verdict.mailbox, verdict.intended) == ("Introbox", "Inbox")
    known = replace(recipient, history=marked(STRANGER, junk=False))
    assert decide(STRANGER, known, NOW).mailbox == "Inbox"
    assert decide(STRANGER, replace(recipient, ruleset_mailbox="Shops"), NOW).mailbox == "Shops"
    assert decide(STRANGER, replace(recipient, list_allow_domain="x.example"), NOW).mailbox == "Inbox"


def test_rejects_may_be_taken_into_a_mailbox_of_their_own() -> None:
    recipient = replace(ME, accept_rejects_to="Suspicious", probability=1.0)
    verdict = decide(STRANGER, recipient, NOW)
    assert (verdict.action, verdict.mailbox, verdict.reply) == (REJECTS_TO_MAILBOX, "Suspicious", None)
    assert verdict.is_reject and not verdict.rejects_mailbox and verdict.intended == "Inbox"
    assert "Suspicious because a ruleset says so" in reason_header(verdict, recipient)
    without = decide(STRANGER, replace(recipient, accept_rejects_to=""), NOW)
    assert refused(without)[0] == 451 and without.rejects_mailbox == "Rejects"


def test_some_refusals_are_never_taken_after_all() -> None:
    converted = replace(ME, accept_rejects_to="Suspicious")
    for recipient in (
        replace(converted, rate_exceeded="too many"),
        replace(converted, over_quota=True),
        replace(converted, auth_required_text="no"),
    ):
        assert decide(replace(FORGED, dmarc_policy="none"), recipient, NOW).action == REJECT


REPORTED = {"dmarc_wants_reports": True}


def test_evaluations_are_kept_of_what_is_taken_and_of_what_dmarc_refuses() -> None:
    taken = decide(replace(STRANGER, **REPORTED), ME, NOW)
    assert (taken.evaluation, taken.evaluation_optional) == ("none", False)
    known = replace(ME, org_domain_known=True)
    forged = decide(replace(FORGED, **REPORTED), known, NOW)
    assert (forged.evaluation, forged.evaluation_optional) == ("reject", False)
    assert decide(STRANGER, ME, NOW).evaluation == ""


def test_no_evaluation_tells_of_junk_blocklists_or_quota() -> None:
    assert decide(replace(STRANGER, **REPORTED), replace(ME, probability=1.0), NOW).evaluation == ""
    assert decide(replace(STRANGER, dnsbl=("bl.example",), **REPORTED), ME, NOW).evaluation == ""
    assert decide(replace(STRANGER, **REPORTED), replace(ME, over_quota=True), NOW).evaluation == ""


def test_a_forgery_of_a_domain_we_do_not_know_is_no_reason_for_a_report() -> None:
    assert decide(replace(FORGED, **REPORTED), ME, NOW).evaluation_optional


def test_mail_to_a_report_address_is_no_reason_for_a_report() -> None:
    for address in ("dmarc", "tls"):
        recipient = replace(ME, report_address=address, report_valid=True)
        assert decide(replace(STRANGER, **REPORTED), recipient, NOW).evaluation_optional


def test_what_dmarc_spared_by_chance_says_so() -> None:
    verdict = decide(replace(FORGED, dmarc_policy="quarantine", dmarc_sampled_out=True, **REPORTED), ME, NOW)
    assert (verdict.evaluation, verdict.overrides) == ("none", ("sampled_out",))


def test_of_rejects_taken_by_a_ruleset_only_those_of_dmarc_are_reported_and_as_taken() -> None:
    recipient = replace(ME, accept_rejects_to="Suspicious")
    verdict = decide(replace(FORGED, **REPORTED), recipient, NOW)
    assert (verdict.action, verdict.evaluation) == (REJECTS_TO_MAILBOX, "none")
    junk = decide(replace(STRANGER, **REPORTED), replace(recipient, probability=1.0), NOW)
    assert (junk.action, junk.evaluation) == (REJECTS_TO_MAILBOX, "")


def test_the_rules_are_asked_in_this_order() -> None:
    assert [rule.__name__ for rule in RULES] == [
        *("high_rate", "list_allow", "author", "dmarc", "verified_author", "history_unread"),
        *("known_sender", "report", "spf", "iprev", "subject_pass"),
        *("junk_filter", "blocklists", "no_bad_signals"),
    ]


def test_another_threshold_is_replayed_from_the_trace() -> None:
    message = MessageFacts.from_json(json.loads(json.dumps(STRANGER.as_json())))
    recipient = RecipientFacts.from_json(json.loads(json.dumps(ME.as_json())))
    assert replay(message, recipient, NOW) == decide(STRANGER, ME, NOW)
    assert replay(message, recipient, NOW, threshold=0.4).reason == "junk-content"


@settings(max_examples=300, deadline=None)
@given(messages(), recipients(), st.integers(0, 3_000_000_000_000))
def test_every_case_has_one_verdict_and_the_same_one_again(m: MessageFacts, r: RecipientFacts, now: int) -> None:
    verdict = decide(m, r, now)
    assert replay(m, r, now, threshold=r.threshold) == verdict
    assert verdict.reason in REASONS and verdict.sentence
    assert (verdict.reply is None) == (verdict.action != REJECT) == bool(verdict.mailbox)
    assert not (verdict.delay and verdict.is_reject)
    assert verdict.action == REJECT or not verdict.rejects_mailbox
    header = reason_header(verdict, r)
    assert len(header) <= 900 and header.isascii() and header.isprintable()
    json.dumps(verdict.as_json())


@settings(max_examples=200, deadline=None)
@given(messages(), recipients(), st.integers(0, 3_000_000_000_000))
def test_only_a_ruleset_delivers_what_fails_a_dmarc_policy(m: MessageFacts, r: RecipientFacts, now: int) -> None:
    forged = replace(m, dmarc="fail", dmarc_policy="reject", dmarc_sampled_out=False)
    plain = replace(r, is_forward=False, list_allow_domain="", accept_rejects_to="")
    assert decide(forged, plain, now).action == REJECT
