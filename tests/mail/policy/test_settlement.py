from mail.policy.settlement import settle
from mail.policy.verdict import ACCEPT, REJECT, REJECTS_TO_MAILBOX, Verdict
from mail.smtp.replies import Reply

TAKEN = Verdict(action=ACCEPT, reason="no-bad-signals", sentence="", mailbox="Inbox")
JUNK = Verdict(
    action=REJECT, reason="junk-content", sentence="", reply=Reply(451, "4.3.0", "no"), rejects_mailbox="Rejects"
)
DMARC = Verdict(
    action=REJECT, reason="dmarc-policy", sentence="", reply=Reply(550, "5.7.26", "no"), evaluation="reject"
)
FULL = Verdict(action=REJECT, reason="over-quota", sentence="", reply=Reply(452, "4.2.2", "full"))


def test_all_take_it_and_all_refuse_it() -> None:
    assert settle([TAKEN, TAKEN]).reply is None
    settled = settle([DMARC, DMARC])
    assert settled.reply == DMARC.reply and settled.verdicts == (DMARC, DMARC)


def test_a_temporary_refusal_wins_over_a_permanent_one() -> None:
    assert settle([DMARC, JUNK]).reply == JUNK.reply


def test_who_refused_the_content_has_it_in_rejects_and_nobody_is_sent_a_bounce() -> None:
    settled = settle([TAKEN, JUNK])
    assert settled.reply is None and settled.undelivered == ()
    filed = settled.verdicts[1]
    assert (filed.action, filed.reply, filed.is_reject) == (REJECTS_TO_MAILBOX, None, True)
    # By the rules of Rejects: no copy like any other.
    assert (filed.mailbox, filed.rejects_mailbox) == ("", "Rejects")


def test_without_rejects_it_goes_to_junk_and_dmarc_hears_that_it_was_taken() -> None:
    filed = settle([DMARC, TAKEN]).verdicts[0]
    assert (filed.mailbox, filed.evaluation) == ("Junk", "none")


def test_a_full_mailbox_is_named_by_its_place() -> None:
    settled = settle([TAKEN, JUNK, FULL])
    assert settled.reply is None and settled.undelivered == (2,)
    assert settled.verdicts[2] == FULL
