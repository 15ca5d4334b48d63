import pytest

from mail import errors
from mail.smtp.replies import REPLY_FOR, Reply, parse_refusal, render, render_lines, reply_for


def test_a_refusal_is_one_line_that_names_the_conversation() -> None:
    assert render(Reply(250, "2.0.0", "Ok"), "cid") == b"250 2.0.0 Ok\r\n"
    assert render(Reply(550, "5.1.1", "No\r\n250 such user"), "cid") == b"550 5.1.1 No??250 such user (cid)\r\n"
    assert len(render(Reply(550, "5.1.1", "x" * 2000), "c" * 16)) <= 512


def test_lines_of_one_reply_are_joined() -> None:
    assert render_lines(250, ["mx.x.org", "SIZE 1"]) == b"250-mx.x.org\r\n250 SIZE 1\r\n"


def test_shortage_is_temporary_and_an_error_nobody_thought_of_too() -> None:
    for kind in (errors.Unavailable, errors.StorageFull, errors.StorageFault, errors.Busy, errors.OverQuota):
        assert reply_for(kind()).code // 100 == 4

    class Unheard(errors.MailError):
        pass

    assert reply_for(Unheard()).code == 451


def test_every_reply_has_a_status_of_its_class() -> None:
    assert all(str(code)[0] == enhanced[0] for code, enhanced in REPLY_FOR.values())


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("550 no such user", Reply(550, "5.1.1", "no such user")),
        ("550 5.1.6 Moved away", Reply(550, "5.1.6", "Moved away")),
        ("421 Not today", Reply(421, "4.2.1", "Not today")),
        ("421 4.3.2 x", Reply(421, "4.3.2", "x")),
    ],
)
def test_an_administrators_refusal_is_read(text: str, reply: Reply) -> None:
    assert parse_refusal(text) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "550",
        "550 ",
        "250 ok",
        "450 later",
        "550 4.1.1 x",
        "421 5.1.1 x",
        "550 a\r\nb",
        "550 caf\u00e9",
        "550 " + "x" * 301,
    ],
)
def test_what_is_no_refusal_is_invalid(text: str) -> None:
    with pytest.raises(errors.Invalid):
        parse_refusal(text)
