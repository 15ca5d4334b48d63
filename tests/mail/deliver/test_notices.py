import email
import email.policy
from pathlib import Path

from mail.deliver.notices import make_notices
from mail.deliver.outcome import Verdict, judge
from mail.smtp.reply_reader import Reply
from mail.store.blobs import BlobStore
from tests.claims import CONTENT, NOW, claimed

NEVER = Reply(550, ("5.1.1 unknown",))


NO_BLOBS = BlobStore(Path("/nowhere"))


def notices(*claims, reply=NEVER, blobs=NO_BLOBS):
    owed = [judge(Verdict(one, reply, "mx.test"), NOW, delay_after_ms=1, jitter=0).owed for one in claims]
    return make_notices([one for one in owed if one], blobs, "us.test", NOW)


def parsed(notice):
    return email.message_from_bytes(notice.octets, policy=email.policy.default)


def test_a_notice_goes_to_the_senders_account_with_the_null_sender():
    (notice,) = notices(claimed(account_id=5))
    assert (notice.account_id, notice.address, notice.kind, notice.recipient_ids) == (5, "a@us.test", "failed", (1,))
    assert notice.prefix.startswith(b"Return-Path: <>\r\nDelivered-To: a@us.test\r\nReceived: by us.test")
    message = parsed(notice)
    assert message.get_content_type() == "multipart/report" and message["To"] == "a@us.test"
    assert message["In-Reply-To"] == "<1@us.test>"


def test_recipients_of_one_message_and_kind_share_a_notice():
    found = notices(claimed("b@x", id=1), claimed("c@x", id=2), claimed("d@x", id=3, queue_message_id=2))
    assert [one.recipient_ids for one in found] == [(1, 2), (3,)]
    status = parsed(found[0]).get_payload()[1].as_string()
    assert "Final-Recipient: rfc822; b@x" in status and "Final-Recipient: rfc822; c@x" in status


def test_the_original_comes_back_as_it_was_asked_for():
    header = parsed(notices(claimed(ret="HDRS"))[0]).get_payload()[2]
    assert header.get_content_type() == "text/rfc822-headers" and "body" not in header.as_string()
    whole = parsed(notices(claimed(ret="FULL"))[0]).get_payload()[2]
    assert whole.get_content_type() == "message/rfc822" and ".body" in whole.as_string()


def test_what_demanded_tls_comes_back_as_its_header_and_demands_it():
    """RFC 8689 §5."""
    (notice,) = notices(claimed(ret="FULL", require_tls=True))
    assert notice.require_tls and not notices(claimed(require_tls=False))[0].require_tls
    assert parsed(notice).get_payload()[2].get_content_type() == "text/rfc822-headers"


def test_a_notice_says_what_release_was_asked_for():
    status = parsed(notices(claimed(future_release="for;3600"))[0]).get_payload()[1].as_string()
    assert "Future-Release-Request: for;3600" in status


def test_the_original_is_read_from_its_file(tmp_path):
    (tmp_path / "20270115/00").mkdir(parents=True)
    (tmp_path / "20270115/00" / ("0" * 32)).write_bytes(CONTENT)
    one = claimed(octets=None, folder="20270115/00")
    assert b"Subject: hello" in notices(one, blobs=BlobStore(tmp_path))[0].octets


def test_a_file_that_is_gone_costs_the_sender_the_original_but_not_the_notice(tmp_path):
    (notice,) = notices(claimed(octets=None, folder="20270115/00"), blobs=BlobStore(tmp_path))
    assert b"550 5.1.1 unknown" in notice.octets


def test_what_was_added_to_the_message_comes_back_with_it():
    assert b"Message-ID: <added@us.test>" in notices(claimed(prefix=b"Message-ID: <added@us.test>\r\n"))[0].octets
