import smtplib
from typing import Any

import pytest

from app.cli.trace import moment, wanted
from mail.errors import Invalid
from tests.app.conftest import Run
from tests.bundle import Bundle, wait_until

NOW = 1_795_000_000_000


@pytest.mark.parametrize(("text", "ago"), [("30s", 30), ("5m", 300), ("12h", 43_200), ("2d", 172_800)])
def test_a_span_is_counted_back_from_now(text: str, ago: int):
    assert moment(text, NOW) == NOW - ago * 1000


def test_a_date_is_a_moment():
    assert moment("2026-11-24T10:00:30", NOW) - moment("2026-11-24T10:00", NOW) == 30_000
    assert moment("2026-11-24T10:00", NOW) - moment("2026-11-24", NOW) == 36_000_000


def test_what_is_no_time_is_said_with_what_would_be():
    with pytest.raises(Invalid) as caught:
        moment("yesterday", NOW)
    assert "2026-11-24" in caught.value.public


@pytest.mark.parametrize(
    ("text", "sought"),
    [
        ("<1@x.example>", {"message_id": "1@x.example"}),
        ("0123456789abcdef", {"cid": "0123456789abcdef"}),
        ("Ann@A.Example", {"address": "Ann@a.example"}),
        ("ann@bücher.example", {"address": "ann@xn--bcher-kva.example"}),
        ("no address", {"address": "no address"}),
    ],
)
def test_what_is_written_says_what_is_meant(text: str, sought: dict[str, str]):
    assert wanted(text) == sought


def posted(bundle: Bundle, sender: str, *message_ids: str) -> None:
    with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as client:
        for message_id in message_ids:
            text = f"From: {sender}\r\nMessage-ID: <{message_id}>\r\nSubject: x\r\n\r\ntext\r\n"
            client.sendmail(sender, [bundle.ready["account"]], text.encode())


def test_a_message_is_found_by_address_message_id_and_conversation(bundle: Bundle, told: Any, run: Run):
    posted(bundle, "Traced@remote.example", "traced.1@remote.example")
    (row,) = told("trace", "traced@REMOTE.example", "--since", "10m")
    assert (row["message_id"], row["verdict"], row["reason"]) == (
        "traced.1@remote.example",
        "accepted",
        "no-bad-signals",
    )
    assert row["sentence"].startswith(f"Accepted into Inbox of {bundle.ready['account']} on ")
    assert told("trace", "<traced.1@remote.example>") == [row]
    assert told("trace", "traced.1@remote.example") == [row]
    assert told("trace", row["cid"]) == [row]
    assert told("trace", "traced@remote.example", "--until", "1h") == []
    assert row["cid"] in run("trace", "traced@remote.example").output


def test_one_message_is_told_whole_and_several_are_a_table(bundle: Bundle, run: Run):
    posted(bundle, "told@remote.example", "told.1@remote.example")
    alone = run("trace", "told@remote.example").output.splitlines()
    assert (
        alone[0].endswith(": nothing speaks against it.")
        and "  SPF          none for remote.example, by mailfrom" in alone
    )
    posted(bundle, "told@remote.example", "told.2@remote.example")
    both = run("trace", "told@remote.example").output
    assert both.startswith("when ") and len(both.splitlines()) == 3
    whole = run("trace", "told@remote.example", "--why").output
    assert whole.count("nothing speaks against it.") == 2 and "\n\n" in whole


def test_a_message_that_never_came_has_an_answer(bundle: Bundle, told: Any, run: Run):
    with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as client:
        client.ehlo("client.example")
        client.mail("")
        assert client.rcpt(bundle.ready["account"])[0] == 250
        assert client.rcpt("never@localhost")[0] == 452
    wait_until(lambda: bool(told("trace", "never@localhost")), 10, "the refusal is in the trace")
    story = run("trace", "never@localhost", "--verdict", "refused", "--reason", "null-sender-recipients").output
    assert story.startswith("Never reached us: refused at RCPT for never@localhost on ")
    assert "from 127.0.0.1 (client.example) with 452 4.5.3: a notification has one recipient" in story


def test_only_what_is_asked_for_is_shown(bundle: Bundle, told: Any, run: Run):
    posted(bundle, "chosen@remote.example", "chosen.1@remote.example", "chosen.2@remote.example")
    account = bundle.ready["account"]
    assert len(told("trace", "chosen@remote.example", "--account", account, "--reason", "no-bad-signals")) == 2
    assert told("trace", "chosen@remote.example", "--verdict", "refused") == []
    assert len(told("trace", "chosen@remote.example", "-n", "1")) == 1
    assert run("trace", "chosen@remote.example", "--verdict", "refused").output == "none\n"
    assert run("trace", "--account", "nobody").exit_code != 0


def test_mail_that_goes_out_has_the_words_of_the_other_side(told: Any, run: Run, submit: Any):
    submit("outward@remote.example", "outward")
    wait_until(
        lambda: bool(told("trace", "outward@remote.example", "--verdict", "delivered")), 20, "the message is delivered"
    )
    assert " said 250 2.0.0 Ok: stored as " in run("trace", "outward@remote.example", "--why").output
