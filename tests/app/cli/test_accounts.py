import imaplib
import smtplib
import time
from typing import Any

import pytest

from mail.errors import Exists, Invalid, MailError, NotFound
from tests.app.conftest import Run
from tests.bundle import Bundle, wait_until

PASSWORD = "correct horse battery"


def logs_in(bundle: Bundle, login: str, password: str) -> str:
    """OK, or what the server says."""
    with imaplib.IMAP4_SSL(*bundle.address("imaps"), ssl_context=bundle.tls, timeout=20) as client:
        try:
            client.login(login, password)
        except imaplib.IMAP4.error as error:
            return str(error)
        return "OK"


def delivered(bundle: Bundle, rcpt_to: str) -> str:
    """OK, or the refusal."""
    with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as client:
        try:
            client.sendmail("a@remote.example", [rcpt_to], b"Subject: x\r\n\r\ntext\r\n")
        except smtplib.SMTPRecipientsRefused as error:
            return str(error.recipients)
        except smtplib.SMTPDataError as error:
            return str(error)
        return "OK"


def test_a_new_address_takes_mail_without_a_restart(bundle: Bundle, run: Run, told: Any):
    told("domain", "add", "new.example")
    told("account", "add", "ann", "ann@new.example")
    told("address", "add", "anna@new.example", "ann", "--mailbox", "Archive")
    wait_until(lambda: delivered(bundle, "anna@new.example") == "OK", 5, "delivery")
    (trace,) = told("trace", "anna@new.example")
    assert (trace["direction"], trace["verdict"]) == ("in", "accepted")


def test_an_account_logs_in_once_it_has_a_password(bundle: Bundle, told: Any):
    told("domain", "add", "login.example")
    told("account", "add", "bob", "bob@login.example")
    wait_until(lambda: "bob@login.example" in str(told("address", "list")), 5, "the address")
    assert logs_in(bundle, "bob@login.example", PASSWORD) != "OK"
    told("account", "password", "bob", "--password-stdin", input=f"{PASSWORD}\n")
    assert logs_in(bundle, "bob@login.example", PASSWORD) == "OK"
    told("account", "disable", "bob", "Please call us.")
    wait_until(lambda: "Please call us." in logs_in(bundle, "bob@login.example", PASSWORD), 5, "the refusal")
    assert delivered(bundle, "bob@login.example") == "OK"
    told("account", "enable", "bob")
    wait_until(lambda: logs_in(bundle, "bob@login.example", PASSWORD) == "OK", 5, "a login")
    told("account", "remove", "bob", "--yes")
    wait_until(lambda: logs_in(bundle, "bob@login.example", PASSWORD) != "OK", 5, "the end of the account")
    assert "bob" not in [one["name"] for one in told("account", "list")]


def test_a_short_password_is_refused(run: Run, told: Any):
    told("account", "add", "short")
    result = run("account", "password", "short", "--password-stdin", input="1234567\n")
    assert isinstance(result.exception, MailError) and "8" in result.exception.public


def test_a_quota_is_set_and_listed(told: Any):
    told("account", "add", "full", "--quota", "1000")
    told("account", "quota", "full", "2000")
    (account,) = [one for one in told("account", "list") if one["name"] == "full"]
    assert account["quota"] == 2000


def test_what_is_not_there_is_named(run: Run):
    result = run("account", "quota", "nobody", "5")
    assert isinstance(result.exception, NotFound) and "nobody" in result.exception.public
    result = run("address", "remove", "nobody@nowhere.example")
    assert isinstance(result.exception, NotFound) and "nowhere.example" in result.exception.public


def test_what_is_there_already_is_named(run: Run, told: Any):
    told("domain", "add", "twice.example")
    result = run("domain", "add", "TWICE.example")
    assert isinstance(result.exception, Exists) and "twice.example" in result.exception.public
    told("account", "add", "carl", "carl@twice.example")
    result = run("address", "add", "CARL@twice.example", "carl")
    assert isinstance(result.exception, Exists)


def test_a_domain_with_addresses_is_not_removed(run: Run, told: Any):
    told("domain", "add", "used.example")
    told("account", "add", "dora", "dora@used.example")
    result = run("domain", "remove", "used.example")
    assert isinstance(result.exception, MailError) and "used.example" in result.exception.public
    told("address", "remove", "dora@used.example")
    told("domain", "remove", "used.example")
    assert "used.example" not in [one["name"] for one in told("domain", "list")]


def test_a_disabled_domain_defers_its_mail(bundle: Bundle, told: Any):
    told("domain", "add", "pause.example")
    told("account", "add", "emil", "emil@pause.example")
    told("domain", "disable", "pause.example")
    wait_until(lambda: "(450" in delivered(bundle, "emil@pause.example"), 5, "a temporary refusal")
    told("domain", "enable", "pause.example")
    wait_until(lambda: delivered(bundle, "emil@pause.example") == "OK", 5, "delivery")


def test_a_message_nobody_could_read_is_refused(run: Run, told: Any):
    told("account", "add", "frida")
    assert isinstance(run("account", "disable", "frida", "a\nb").exception, Invalid)


def test_removing_an_account_asks_first(run: Run, told: Any):
    told("account", "add", "gert")
    assert run("account", "remove", "gert", input="n\n").exit_code != 0
    assert "gert" in [one["name"] for one in told("account", "list")]


@pytest.mark.parametrize("group", ["domain", "account", "address"])
def test_lists_are_tables_for_people(run: Run, group: str):
    result = run(group, "list")
    assert result.exit_code == 0
    assert result.output.splitlines()[0].startswith(group)


def test_what_an_account_wants_done_with_mail_is_set_rule_by_rule(run: Run, told: Any):
    told("account", "add", "rule")
    words = ("--junk-threshold", "0.5", "--no-first-time-delay", "--introbox", "New", "--quota", "77")
    told("account", "set", "rule", *words)
    shown = told("account", "show", "rule")
    assert shown["quota"] == 77 and shown["incoming"]["introbox"] == "New"
    assert (shown["incoming"]["junk_threshold"], shown["incoming"]["first_time_delay"]) == (0.5, False)
    assert told("account", "set", "rule", "--first-time-delay")["incoming"]["first_time_delay"] is True
    assert "introbox: New" in run("account", "show", "rule").output
    for wrong in (("--junk-threshold", "2"), ("--introbox", "inbox"), ()):
        assert isinstance(run("account", "set", "rule", *wrong).exception, Invalid)


def test_a_domain_compares_its_names_otherwise_after_it_was_told_to(run: Run, told: Any):
    told("domain", "add", "spell.example", "--case-sensitive")
    told("account", "add", "sam", "Sam@spell.example")
    told("address", "add", "sam@spell.example", "sam", "--mailbox", "Small")
    assert isinstance(run("domain", "set", "spell.example", "--no-case-sensitive").exception, Invalid)
    told("address", "remove", "sam@spell.example")
    row = told("domain", "set", "spell.example", "--no-case-sensitive", "--separators", "+-", "--disable")
    assert (row["localpart_case_sensitive"], row["catchall_separators"], row["disabled"]) == (False, "+-", True)
    assert isinstance(run("domain", "set", "spell.example").exception, Invalid)


def test_a_refusal_is_told_at_rcpt_although_there_is_a_catchall(bundle: Bundle, run: Run, told: Any):
    told("domain", "add", "catch.example")
    told("account", "add", "cat", "old@catch.example")
    told("address", "add", "@catch.example", "cat")
    told("account", "add", "dog")
    assert isinstance(run("address", "add", "@catch.example", "dog").exception, Exists)
    told("address", "set", "old@catch.example", "--smtp-error", "550 5.1.6 Moved away")
    wait_until(lambda: "Moved away" in delivered(bundle, "old@catch.example"), 5, "the refusal")
    assert delivered(bundle, "new@catch.example") == "OK"
    told("address", "set", "old@catch.example", "--smtp-error", "", "--auth-required", "Sign it", "--account", "dog")
    wait_until(lambda: "Sign it" in delivered(bundle, "old@catch.example"), 5, "the words for who is not verified")
    told("address", "set", "old@catch.example", "--auth-required", "")
    wait_until(lambda: delivered(bundle, "old@catch.example") == "OK", 5, "delivery")
    assert "@catch.example (catchall)" in run("address", "list").output
    assert isinstance(run("address", "set", "old@catch.example").exception, Invalid)
    assert isinstance(run("address", "set", "old@catch.example", "--smtp-error", "250 ok").exception, Invalid)


def test_a_domain_is_shown_in_its_own_letters(run: Run, told: Any):
    told("account", "add", "bea")
    told("domain", "add", "b\u00fccher.example", "--account", "bea")
    assert "b\u00fccher.example" in run("domain", "list").output
    assert "postmaster@b\u00fccher.example" in run("address", "list").output
    assert "xn--bcher-kva.example" in [one["name"] for one in told("domain", "list")]


def test_a_catchall_logs_in_by_any_name_of_its_domain(bundle: Bundle, told: Any):
    told("domain", "add", "any.example")
    told("account", "add", "anyone")
    told("address", "add", "@any.example", "anyone")
    told("account", "password", "anyone", "--password-stdin", input=f"{PASSWORD}\n")
    # Every listener looks at the snapshot once a second; a login before that would count as a guess.
    changed = time.monotonic()
    wait_until(lambda: time.monotonic() - changed > 1.5, 5, "the second")
    assert logs_in(bundle, "whatever@any.example", PASSWORD) == "OK"
