from mail.policy.facts import RecipientFacts, Word
from mail.policy.verdict import ACCEPT, REASONS, Verdict, reason_header

RECIPIENT = RecipientFacts(
    rcpt_to="a@ours.example", ham_words=(Word("meeting", 0.01),), spam_words=(Word("cheap\r\nX: y", 0.99),)
)


def test_the_header_names_score_threshold_cause_and_words() -> None:
    considered = ("content score 0.52, threshold 0.25", "strict because it was sent in the clear")
    verdict = Verdict(
        action=ACCEPT, reason="no-bad-signals", sentence="all well", considered=considered, threshold=0.25
    )
    assert reason_header(verdict, RECIPIENT) == (
        "no-bad-signals; all well; content score 0.52, threshold 0.25; strict because it was sent in the clear; "
        "good words: meeting 0.01; junk words: cheap X: y 0.99"
    )


def test_words_are_not_shown_when_the_content_was_not_weighed() -> None:
    verdict = Verdict(action=ACCEPT, reason="msgtofull", sentence="you have written to them")
    assert reason_header(verdict, RECIPIENT) == "msgtofull; you have written to them"


def test_the_header_is_short_printable_ascii_whatever_it_is_told() -> None:
    verdict = Verdict(action=ACCEPT, reason="ip1", sentence="ж\x00\r\n\u2028" * 500, threshold=1.0)
    header = reason_header(verdict, RECIPIENT)
    assert len(header) <= 900 and header.isascii() and header.isprintable()


def test_every_reason_is_named_once() -> None:
    assert len(set(REASONS)) == len(REASONS)
