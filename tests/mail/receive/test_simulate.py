import pytest

from mail.address import Address
from mail.receive.simulate import at_end, at_mail, at_rcpt


def to(localpart: str) -> Address:
    return Address(localpart, "localhost")


@pytest.mark.parametrize(
    ("localpart", "code"), [("xtemperror", 451), ("Xpermerror", 550), ("x431", 431), ("x599", 599)]
)
def test_the_end_of_data_fails_as_the_localpart_says(localpart: str, code: int) -> None:
    failure = at_end([to("fine"), to(localpart)])
    assert failure is not None and failure.reply.code == code
    assert at_rcpt(to(localpart)) is None
    rcpt = at_rcpt(to("rcptto" + localpart))
    assert rcpt is not None and rcpt.reply.code == code
    mail = at_mail(to("mailfrom" + localpart))
    assert mail is not None and mail.reply.code == code
    assert at_end([to("rcptto" + localpart), to("queue" + localpart)]) is None


def test_a_timeout_is_silence() -> None:
    failure = at_end([to("xtimeout")])
    assert failure is not None and failure.silent


def test_ordinary_addresses_never_fail() -> None:
    assert at_end([to("ann"), to("x399"), to("x600"), to("ann45")]) is None
