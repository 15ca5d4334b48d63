import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.context import Context
from app.cli.junk_decisions import explain, whatif
from mail.errors import Invalid, NotFound
from mail.imap.summary import summarize
from mail.junk.words import message_numbers
from mail.now import SetClock
from mail.store import accounts, arrivals, incoming, traces
from mail.store.arrivals import Delivery, LocalRecipient
from mail.store.blob_rows import BlobRow
from mail.store.changes import changing
from mail.store.classes import HAM, NONE, SPAM
from mail.store.junk_words import Counted
from mail.store.traces import trace_values
from tests.faults.keeper import KeeperFolder
from tests.mail.policy.test_incoming import ME, STRANGER
from tests.mail.receive.test_whatif import record

GOOD = b"From: a@x.example\r\nMessage-ID: <good@x>\r\n\r\nlunch at noon with the committee\r\n"
JUNK = b"From: a@x.example\r\nMessage-ID: <junk@x>\r\n\r\ncheap watches buy replica\r\n"
BLOB = "ab" * 16


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """An account ann1 that learnt sixty of each."""
    made = Context(KeeperFolder.make(tmp_path / "b").folder)
    counted = Counted()
    for _ in range(60):
        counted.move(message_numbers(GOOD), NONE, HAM)
        counted.move(message_numbers(JUNK), NONE, SPAM)
    with changing(made.store, None, clock=SetClock()) as changes:
        accounts.add_domain(changes.tx, "a.example", 1)
        ann = accounts.add_account(changes, "ann1")
        accounts.add_address(changes.tx, "ann1@a.example", ann, 1)
        accounts.add_account(changes, "ann2")
        counted.write(changes.tx, ann)
    yield made
    made.close()


def run(context: Context, command: Any, *words: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(command, [*words], obj=context, input=input)


def told(context: Context, command: Any, *words: str, input: bytes | None = None) -> Any:
    result = run(context, command, *words, "--json", input=input)
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)


def stored(context: Context, octets: bytes, *names: str, blob_id: str = BLOB) -> None:
    with changing(context.store, None, clock=SetClock()) as changes:
        found = [accounts.find_account(changes.tx, name).id for name in names]
        # What is put before the blob is no part of what was judged.
        to = tuple(LocalRecipient("ann1@a.example", one, "Inbox", b"X-Word: watches\r\n") for one in found)
        blob = BlobRow(blob_id, "", len(octets), b"h" * 32, 1, octets)
        arrivals.deliver(changes, Delivery(blob, summarize(octets), "c", "a@x.example", 1, to))


def test_a_file_and_standard_input_are_explained(context: Context, tmp_path: Path):
    path = tmp_path / "junk.eml"
    path.write_bytes(JUNK)
    found = told(context, explain, str(path), "--account", "ann1")
    assert (found["refused"], found["reason"], found["account"]) == (True, "junk-content", "ann1")
    assert (found["hams"], found["spams"], found["threshold"]) == (60, 60, 0.95)
    assert "watches" in [one["word"] for one in found["spam_words"]]
    assert told(context, explain, "-", "--account", "ann1", input=JUNK) == found
    text = run(context, explain, str(path), "--account", "ann1").output
    assert "verdict      refused (junk-content), unless the sender is known" in text and "watches" in text


def test_what_is_good_is_told_with_its_words(context: Context):
    found = told(context, explain, "-", "--account", "ann1", input=GOOD)
    assert not found["refused"] and "lunch" in [one["word"] for one in found["ham_words"]]
    assert "verdict      taken\n" in run(context, explain, "-", "--account", "ann1", input=GOOD).output


def test_what_says_nothing_is_taken_unless_something_is_odd(context: Context):
    text = run(context, explain, "-", "--account", "ann1", input=b"Subject: x\r\n\r\nunheard\r\n").output
    assert "taken; refused (junk-content-strict) from strangers" in text


def test_a_stored_message_is_found_by_its_id_and_by_its_blob(context: Context):
    stored(context, JUNK, "ann1")
    found = told(context, explain, "<junk@x>")
    assert found["refused"] and found["account"] == "ann1"
    assert told(context, explain, "junk@x") == told(context, explain, BLOB) == found
    assert found == told(context, explain, "-", "--account", "ann1", input=JUNK)


def test_a_message_of_several_accounts_wants_one_named(context: Context):
    stored(context, JUNK, "ann1", "ann2")
    result = run(context, explain, "<junk@x>")
    assert isinstance(result.exception, Invalid) and "ann1, ann2" in result.exception.public
    assert told(context, explain, "<junk@x>", "--account", "ann2")["hams"] == 0


def test_a_message_there_is_not_is_named(context: Context):
    for name in ("<absent@x>", "absent.eml", "00" * 16):
        result = run(context, explain, name, "--account", "ann1")
        assert isinstance(result.exception, NotFound) and name in result.exception.public


def test_a_filter_that_is_off_or_has_learnt_little_says_so(context: Context):
    assert "too little was learnt" in run(context, explain, "-", "--account", "ann2", input=JUNK).output
    with context.store.write() as tx:
        incoming.change_rules(tx, accounts.find_account(tx, "ann1").id, {"junk_filter": False})
    assert "switched off" in run(context, explain, "-", "--account", "ann1", input=JUNK).output


@pytest.fixture
def decided(context: Context) -> Context:
    """Scores of 0.50 to 0.99, the newest highest, the even ones of ann1; and a message of our own."""
    rows = []
    with context.store.read() as connection:
        ids = [accounts.find_account(connection, name).id for name in ("ann1", "ann2")]
    for number in range(50, 100):
        row = record(replace(STRANGER, subject="hello"), replace(ME, probability=number / 100))
        rows.append(
            trace_values(
                at=context.clock.wall_ms() - 100 + number,
                cid="c",
                direction="in",
                mail_from="a@x.example",
                rcpt_to="ann1@a.example",
                verdict="accepted",
                reason=row.reason,
                account_id=ids[number % 2],
                detail=row.detail,
            )
        )
    with context.store.write() as tx:
        traces.add(tx, [rows[0] | {"detail": '{"local": true}'}, *rows])
    return context


def test_another_threshold_is_told_with_what_it_would_have_changed(decided: Context):
    found = told(decided, whatif, "--threshold", "0.75")
    assert (found["decided"], found["refused"], found["taken"], found["skipped"]) == (50, 20, 0, 1)
    assert found["changes"][0] | {"id": 0, "at": 0} == {
        "id": 0,
        "at": 0,
        "mail_from": "a@x.example",
        "rcpt_to": "ann1@a.example",
        "message_id": "",
        "subject": "hello",
        "action": "accept",
        "reason": "no-bad-signals",
        "score": 0.95,
        "new_action": "reject",
        "new_reason": "junk-content",
    }
    text = run(decided, whatif, "--threshold", "0.75", "--show", "3").output
    assert "and 17 more" in text and text.count("reject, junk-content") == 3
    assert "of 50 messages 20 would have been refused that were taken, 0 taken that were refused" in text
    assert "1 left out" in text


def test_only_those_that_are_asked_for_are_looked_at(decided: Context):
    assert told(decided, whatif, "--threshold", "0.75", "--last", "10")["decided"] == 10
    assert told(decided, whatif, "--threshold", "0.75", "--account", "ann1")["refused"] == 10
    assert told(decided, whatif, "--threshold", "0.75", "--since", "2020-01-01")["decided"] == 50
    assert told(decided, whatif, "--threshold", "1", "--show", "0")["taken"] == 4


def test_no_change_is_a_sentence_too(decided: Context):
    text = run(decided, whatif, "--threshold", "0.95").output
    assert text.startswith("none\n") and "of 50 messages 0 would have been refused" in text
