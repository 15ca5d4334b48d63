"""From what was decided to what is written: copies, rejects, forwards, the trace of everybody, facts for reports."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from mail import srs
from mail.accounts.expand import Expansion
from mail.address import Address, parse_address
from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import replay
from mail.policy.keys import key
from mail.receive.judge import Judged
from mail.receive.receipt import receipt_of
from mail.receive.settled import judged_outward, settled_of
from mail.store.blob_rows import BlobRow
from mail.store.flags import SEEN
from mail.store.queue import NOBODY
from mail.store.receipts import Receipt
from tests.mail.receive.test_settled import FAR, FORGED, LOOP, NOW, PROVED, judged, message_of

BLOB = BlobRow("b" * 32, "", 10, b"", NOW, b"x")
KEY = b"s" * srs.KEY_OCTETS
EVALUATION = {"policy_domain": "a.example", "interval_hours": 6, "rua": ["mailto:r@a.example"]}
REPORTED = replace(PROVED, dmarc="pass", dmarc_policy="reject", dmarc_domain="a.example", dmarc_wants_reports=True)


def receipt(
    *said: str, facts: MessageFacts = PROVED, evaluation: dict[str, Any] | None = None, **expansion: Any
) -> Receipt:
    message = replace(message_of(facts), evaluation=evaluation)
    expanded = Expansion(**expansion)
    made = [replace(one, keys=(number, 5)) for number, one in enumerate(judged(message, *said))]
    settled = settled_of(message, made, judged_outward(message, expanded, NOW), expanded)
    return receipt_of(settled, BLOB, NOW, key=KEY, owner=9, expires_at=NOW + 5)


def traced(found: Receipt) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """(verdict, reason, detail) by recipient; of those without a copy."""
    return {one["rcpt_to"]: (one["verdict"], one["reason"], orjson.loads(one["detail"])) for one in found.traces}


def test_who_takes_it_has_a_copy_with_all_that_was_decided():
    found = receipt("yes", "yes")
    first, second = found.delivery.recipients
    assert (first.address, first.account_id, first.mailbox, first.flags) == ("u0@ours.example", 0, "Inbox", 0)
    assert first.arrival is not None and first.arrival.keys == (0, 5) and not first.arrival.rejected
    assert (first.arrival.mailbox, first.arrival.localpart) == ("Inbox", key("localpart", "z"))
    assert first.reason == "no-bad-signals" and b"X-Mailstead-Reason: no-bad-signals" in first.prefix
    assert b"Delivered-To: u1@ours.example" in second.prefix
    assert (found.kept, found.traces, found.forwards, found.evaluations) == ((), (), (), ())
    assert found.rejects_of == dict.fromkeys((0, 1), "Rejects")


def test_the_trace_decides_again_what_was_decided():
    found = receipt("junk, no Rejects", "yes")
    assert found.delivery.facts["message"] == PROVED.as_json()
    for one in found.delivery.recipients:
        kept = orjson.loads(orjson.dumps(one.facts))
        facts = RecipientFacts.from_json(kept["recipient"])
        again = replay(MessageFacts.from_json(orjson.loads(orjson.dumps(PROVED.as_json()))), facts, NOW)
        assert again.reason == one.reason and again.sentence == kept["sentence"]


def test_who_refuses_alone_keeps_a_copy_that_was_seen_and_is_a_reject():
    found = receipt("junk")
    assert found.delivery.recipients == () and found.rejects_of == {}
    (kept,) = found.kept
    assert (kept.recipient.mailbox, kept.recipient.flags, kept.keep_all) == ("Rejects", SEEN, False)
    assert kept.recipient.arrival is not None and kept.recipient.arrival.rejected
    assert kept.recipient.arrival.mailbox == "Inbox"
    assert b"X-Mailstead-Reason: junk-content" in kept.recipient.prefix
    # Its record is written with it: only then is known what became of the copy.
    assert found.traces == () and kept.refused and kept.recipient.reason == "junk-content"
    assert kept.recipient.facts["reply"] == "451 4.3.0 error processing"
    assert found.delivery.facts["message"] == PROVED.as_json()


@pytest.mark.parametrize("said", ["full", "too many", "junk, no Rejects", "junk and full"])
def test_of_some_refusals_nothing_is_kept_but_the_trace(said: str):
    found = receipt(said)
    assert (found.delivery.recipients, found.kept) == ((), ())
    assert traced(found)["u0@ours.example"][0] == "refused"


def test_a_refusal_beside_others_is_kept_like_any_other():
    found = receipt("yes", "junk", "full")
    assert [(one.mailbox, one.flags) for one in found.delivery.recipients] == [("Inbox", 0)]
    (kept,) = found.kept
    assert (kept.recipient.mailbox, kept.recipient.flags, kept.refused) == ("Rejects", SEEN, False)
    assert list(traced(found)) == ["u2@ours.example"]
    assert found.rejects_of == {0: "Rejects"}


def test_where_all_wait_nobody_has_it_and_each_is_told_why():
    found = receipt("yes", "junk", "full", facts=FORGED)
    assert found.delivery.recipients == ()
    assert [(one.recipient.address, one.refused) for one in found.kept] == [("u1@ours.example", True)]
    told = traced(found)
    assert {name: (verdict, reason) for name, (verdict, reason, _) in told.items()} == {
        "u0@ours.example": ("refused", "no-bad-signals"),
        "u2@ours.example": ("refused", "over-quota"),
    }
    assert told["u0@ours.example"][2]["sentence"] == "it would have been taken, but all recipients were answered 452"
    assert found.rejects_of == {}


def test_everybody_else_is_traced_too():
    found = receipt("yes", refused=[LOOP], covered=["me@ours.example"])
    told = traced(found)
    assert told["team@ours.example"][:2] == ("refused", "alias-loop")
    assert told["team@ours.example"][2]["reply"] == "550 5.4.6 Routing loop detected"
    assert told["me@ours.example"][:2] == ("accepted", "covered")
    assert {one["cid"] for one in found.traces} == {"c" * 16}


def test_who_needed_no_copy_is_refused_with_the_others():
    told = traced(receipt("full", covered=["me@ours.example"]))["me@ours.example"]
    assert told[:2] == ("refused", "covered")
    assert told[2]["sentence"].startswith("all recipients were answered 452")


def test_what_goes_elsewhere_leaves_under_our_name():
    found = receipt("yes", outside=FAR)
    (one,) = found.forwards
    assert (one.rcpt_to, one.addresses) == ("team@ours.example", tuple(address for _, address in FAR))
    path = parse_address(one.mail_from)
    assert path.domain == "ours.example"
    assert srs.reverse(path.localpart, KEY, NOW) == parse_address("z@a.example")
    assert (one.return_to, found.forwarder, found.forwards_expire_at) == ("z@a.example", 9, NOW + 5)
    assert b"Delivered-To: team@ours.example" in one.prefix
    assert receipt("yes", facts=FORGED, outside=FAR).forwards[0].return_to == NOBODY


def test_what_we_would_not_take_is_not_sent_on_and_traced():
    listed = replace(FORGED, dnsbl=("l.example",))
    message, expansion = message_of(listed), Expansion(outside=FAR)
    settled = settled_of(message, judged(message_of(PROVED), "yes"), judged_outward(message, expansion, NOW), expansion)
    found = receipt_of(settled, BLOB, NOW, key=KEY, owner=9, expires_at=NOW)
    assert found.forwards == () and len(found.delivery.recipients) == 1
    verdict, reason, detail = traced(found)["team@ours.example"]
    assert (verdict, reason) == ("refused", "dns-blocklisted") and detail["reply"].startswith("451")
    assert not any("put into" in one for one in detail["considered"])


@pytest.mark.parametrize(
    ("said", "facts", "stored"),
    [
        (["yes"], REPORTED, [("none", False)]),
        (["yes", "yes"], REPORTED, [("none", False)] * 2),
        # What our junk filter thinks is nobody's business.
        (["junk"], REPORTED, []),
        (["yes", "junk"], REPORTED, [("none", False)]),
        # The domain's own policy: of a domain nobody here knows no report is sent for it.
        (["yes"], replace(REPORTED, dmarc="fail"), [("reject", True)]),
        (["full"], REPORTED, []),
        # It would have been taken, and was not.
        (["yes", "full"], replace(REPORTED, spf="none", dmarc="none"), []),
        (["yes"], PROVED, []),
    ],
)
def test_what_reports_are_made_of(said: list[str], facts: MessageFacts, stored: list[tuple[str, bool]]):
    found = receipt(*said, facts=facts, evaluation=EVALUATION)
    assert [(one.facts["disposition"], one.optional) for one in found.evaluations] == stored
    for one in found.evaluations:
        assert (one.policy_domain, one.interval_hours) == ("a.example", 6)
        assert one.facts["envelope_to"] == "ours.example" and one.facts["rua"] == EVALUATION["rua"]
    assert receipt(*said, facts=facts).evaluations == ()


def test_why_a_policy_was_not_followed_is_told():
    sampled = replace(REPORTED, dmarc="fail", dmarc_sampled_out=True)
    (one,) = receipt("yes", facts=sampled, evaluation=EVALUATION).evaluations
    assert (one.facts["disposition"], one.facts["overrides"]) == ("none", ["sampled_out"])


def test_what_a_database_cannot_hold_is_not_given_to_it():
    message = message_of(replace(PROVED, author=""))
    hostile = replace(message, mail_from=Address("a\0\ud800", "a.example"))
    settled = settled_of(hostile, judged(hostile, "yes", "full"), [], Expansion())
    found = receipt_of(settled, BLOB, NOW, key=KEY, owner=9, expires_at=NOW)
    for written in (found.delivery.mail_from, *(one["mail_from"] for one in found.traces)):
        assert "\0" not in written and written.encode().decode() == written


def test_an_author_is_told_from_others_of_his_domain_whatever_his_case():
    def local(author: str) -> int:
        message = message_of(replace(PROVED, author=author))
        made: list[Judged] = judged(message, "yes")
        settled = settled_of(message, made, [], Expansion())
        (one,) = receipt_of(settled, BLOB, NOW, key=KEY, owner=9, expires_at=NOW).delivery.recipients
        assert one.arrival is not None
        return one.arrival.localpart

    assert local("Zoe@a.example") == local("zoe@A.example") == key("localpart", "zoe") != local("")
