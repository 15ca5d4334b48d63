import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address
from mail.smtp.envelope import Chunk, Mail, Rcpt, parse_chunk, parse_mail, parse_rcpt
from mail.smtp.replies import BadCommand

ANN = Address("ann", "x.org")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("FROM:<>", Mail(None)),
        ("from: <ann@x.org>", Mail(ANN)),
        ("FROM:<ann@x.org> SIZE=12345 BODY=8BITMIME", Mail(ANN, size=12345, eightbit=True)),
        ("FROM:<ann@x.org> requiretls", Mail(ANN, require_tls=True)),
        ("FROM:<ann@x.org> ret=hdrs ENVID=a+2Bb", Mail(ANN, ret="HDRS", envid="a+b")),
        ("FROM:<ann@x.org> AUTH=<>", Mail(ANN, auth="<>")),
        ('FROM:<"a>b"@x.org>', Mail(Address("a>b", "x.org"))),
        ("FROM:<\u00fc@x.org> SMTPUTF8", Mail(Address("\u00fc", "x.org"), smtputf8=True)),
    ],
)
def test_mail_is_read(argument: str, expected: Mail) -> None:
    assert parse_mail(argument) == expected


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        ("TO:<ann@x.org>", 501, "5.5.4"),
        ("FROM:ann@x.org", 501, "5.1.7"),
        ("FROM:<ann@x.org", 501, "5.1.7"),
        ("FROM:<ann@x.org>SIZE=1", 501, "5.1.7"),
        ("FROM:<@a,@b:ann@x.org>", 501, "5.1.7"),
        ("FROM:<ann@@x.org>", 501, "5.1.7"),
        ("FROM:<\u00fc@x.org>", 553, "5.6.7"),
        ("FROM:<ann@x.org> SIZE", 501, "5.5.4"),
        ("FROM:<ann@x.org> SIZE=-1", 501, "5.5.4"),
        ("FROM:<ann@x.org> SIZE=123456789012345678901", 501, "5.5.4"),
        ("FROM:<ann@x.org> SIZE=1 SIZE=1", 501, "5.5.4"),
        ("FROM:<ann@x.org> BODY=BINARYMIME", 501, "5.5.4"),
        ("FROM:<ann@x.org> SMTPUTF8=yes", 501, "5.5.4"),
        ("FROM:<ann@x.org> FOO=1", 555, "5.5.4"),
        ("FROM:<ann@x.org> NOTIFY=NEVER", 555, "5.5.4"),
        ("FROM:<ann@x.org> HOLDFOR=60", 555, "5.5.4"),
        ("FROM:<ann@x.org> REQUIRETLS=yes", 501, "5.5.4"),
        ("FROM:<ann@x.org> RET=ALL", 501, "5.5.4"),
        ("FROM:<ann@x.org> ENVID=" + "x" * 101, 501, "5.5.4"),
        ("FROM:<ann@x.org> =", 501, "5.5.4"),
    ],
)
def test_mail_that_is_wrong_gets_its_exact_reply(argument: str, code: int, enhanced: str) -> None:
    with pytest.raises(BadCommand) as raised:
        parse_mail(argument)
    assert (raised.value.reply.code, raised.value.reply.enhanced) == (code, enhanced)


def test_rcpt_is_read() -> None:
    assert parse_rcpt("TO:<ann@x.org>", smtputf8=False) == Rcpt(ANN)
    assert parse_rcpt("to:<Postmaster>", smtputf8=False) == Rcpt(None)
    full = "TO:<ann@x.org> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@y.org"
    assert parse_rcpt(full, smtputf8=False) == Rcpt(ANN, notify="SUCCESS,DELAY", orcpt="rfc822;a+b@y.org")


@pytest.mark.parametrize(
    "argument",
    [
        "TO:<>",
        "TO:<ann>",
        "TO:<ann@x.org> NOTIFY=",
        "TO:<ann@x.org> NOTIFY=NEVER,DELAY",
        "TO:<ann@x.org> NOTIFY=DELAY,DELAY",
        "TO:<ann@x.org> ORCPT=rfc822",
        "TO:<ann@x.org> ORCPT=;x",
        "TO:<ann@x.org> ORCPT=rfc822;a+0Db",
        "TO:<ann@x.org> SIZE=1",
        "TO:<\u00fc@x.org>",
    ],
)
def test_rcpt_that_is_wrong_is_refused(argument: str) -> None:
    with pytest.raises(BadCommand):
        parse_rcpt(argument, smtputf8=False)


def test_bdat_is_read() -> None:
    assert parse_chunk("0 last") == Chunk(0, last=True)
    assert parse_chunk("86") == Chunk(86, last=False)
    for bad in ("", "-1", "1 FIRST", "1000000000000000", "1LAST", "0x10"):
        with pytest.raises(BadCommand):
            parse_chunk(bad)


@given(st.text(max_size=80), st.text('<>@\\" :=;+,.aA0\u00fc', max_size=60))
def test_whatever_is_sent_is_read_or_refused(any_text: str, odd: str) -> None:
    for text in (any_text, odd):
        for parse in (
            lambda: parse_mail("FROM:" + text),  # noqa: B023
            lambda: parse_mail("FROM:<a@b> " + text),  # noqa: B023
            lambda: parse_rcpt("TO:<" + text + ">", smtputf8=True),  # noqa: B023
            lambda: parse_chunk(text),  # noqa: B023
        ):
            try:
                parse()
            except BadCommand as error:
                assert error.reply.code in (501, 553, 555)


def test_holding_is_asked_where_it_is_offered() -> None:
    assert parse_mail("FROM:<ann@x.org> HOLDFOR=60", may_hold=True) == Mail(ANN, hold="for;60")
    with pytest.raises(BadCommand) as caught:
        parse_mail("FROM:<ann@x.org> HOLDFOR=60 HOLDUNTIL=2026-11-24T11:00:00Z", may_hold=True)
    assert (caught.value.reply.code, caught.value.reply.enhanced) == (501, "5.5.4")
