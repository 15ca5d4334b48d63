import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.smtp.commands import COMMANDS, Rule, parse_line, speaks_another_protocol
from mail.smtp.replies import BadCommand


def test_a_line_is_a_verb_in_any_case_and_its_argument() -> None:
    assert parse_line(b"mail FROM:<a@b> ") == ("MAIL", "FROM:<a@b>")
    assert parse_line(b"QUIT") == ("QUIT", "")
    assert parse_line("RCPT TO:<\u00fc@b>".encode()) == ("RCPT", "TO:<\u00fc@b>")


@pytest.mark.parametrize("line", [b"NOOP\t", b"NO\x00OP", b"NOOP \x7f", b"NOOP \xff", b"EHLO a\rb"])
def test_controls_and_what_is_not_utf_8_are_refused(line: bytes) -> None:
    with pytest.raises(BadCommand) as raised:
        parse_line(line)
    assert (raised.value.reply.code, raised.value.reply.enhanced) == (500, "5.5.2")


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"\x16\x03\x01\x02\x00"])
def test_another_protocol_is_known_by_its_first_words(line: bytes) -> None:
    assert speaks_another_protocol(line)
    assert not speaks_another_protocol(b"EHLO " + line)


def test_only_what_moves_no_secret_and_no_mail_may_come_before_tls() -> None:
    plain = {verb for verb, command in COMMANDS.items() if Rule.PLAIN_OK in command.rules}
    assert plain == {"EHLO", "HELO", "STARTTLS", "AUTH", "RSET", "NOOP", "HELP", "QUIT"}
    assert {verb for verb, command in COMMANDS.items() if Rule.SUBMISSION in command.rules} == {"AUTH"}


@given(st.binary(max_size=200))
def test_every_line_is_read_or_refused(line: bytes) -> None:
    try:
        verb, _ = parse_line(line)
    except BadCommand:
        return
    assert " " not in verb
