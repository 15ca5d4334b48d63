"""RCPT at port 25, in a session without a socket: who is taken, who is refused, and how long either takes."""

import asyncio
from pathlib import Path

import pytest

from listeners.serve import Origin
from listeners.smtp.mx import MxService, MxSession
from listeners.smtp.transaction import Body
from mail import srs
from mail.accounts import snapshot
from mail.accounts.routing import AccountRule, AddressRule, AliasRule, DomainRule, Tables
from mail.address import parse_address
from mail.dns.fake import FakeResolver
from mail.errors import MailError, NotAllowed, StorageFault, StorageFull
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SetClock
from mail.smtp.limits import MX_PATIENCE
from tests.mail.accounts.test_routing import RELAY

TABLES = Tables.build(
    (
        DomainRule("a.example", False, "+-", False),
        DomainRule("off.example", True, "+", False),
        DomainRule("all.example", False, "", False),
    ),
    (AccountRule(3, "ann", "gone fishing"),),
    (
        AddressRule(3, "a.example", "ann", "ann", "Inbox"),
        AddressRule(3, "a.example", "old", "old", "Inbox", "", "550 5.1.6 Moved away"),
        AddressRule(3, "a.example", "busy", "busy", "Inbox", "", "421 Not today"),
        AddressRule(3, "off.example", "ann", "ann", "Inbox"),
        AddressRule(3, "all.example", "", "", "Inbox"),
    ),
    (AliasRule(1, "a.example", "team", "team", True, False, False, ("ann@a.example",)),),
    hostname="mx.example",
)
DNS = FakeResolver({"MX far.example": ["10 mx.far.example."], "MX null.example": ["0 ."], "TXT text.example": ["x"]})


class Paper(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, octets: bytes) -> None:  # type: ignore[override]
        self.written += octets

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Dialog:
    """A session that was greeted, and what it said and how long it waited."""

    def __init__(self, session: MxSession, naps: list[float]) -> None:
        self.session, self.naps, self.paper = session, naps, Paper()
        session.transport = self.paper

    async def said(self, line: str) -> str:
        self.paper.written = b""
        await self.session._command(line.encode() + b"\r\n")
        await self.session.flush()
        return self.paper.written.decode()

    async def rcpt(self, address: str) -> str:
        return (await self.said(f"RCPT TO:<{address}>"))[:9]


@pytest.fixture
async def dialog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialog:
    path = tmp_path / "routing.json"
    snapshot.write(path, TABLES)
    clock = SetClock()
    service = MxService(
        checks=None,  # type: ignore[arg-type]
        senders=DNS,
        first_time_delay=0.0,
        with_evaluations=False,
        hostname="mx.example",
        max_message_bytes=1 << 20,
        recipients_max=100,
        patience=MX_PATIENCE,
        spool_folder=tmp_path,
        tls=None,
        plaintext_login=False,
        simulate_failures=False,
        routing=snapshot.Routing(path, clock=clock),
        keeper=None,  # type: ignore[arg-type]
        auth=None,  # type: ignore[arg-type]
        clock=clock,
        log=Log({}, level="error"),
        messages=Metrics().counter("test_total", "", ("listener", "result")),
        _space_looked=clock.monotonic(),
    )
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", nap)
    made = Dialog(MxSession(Origin("192.0.2.1", 1, "c1d", False, None), service), naps)  # type: ignore[arg-type]
    assert (await made.said("EHLO client.example")).startswith("250")
    return made


async def begun(dialog: Dialog, sender: str = "x@far.example") -> Dialog:
    await dialog.said("RSET")
    assert (await dialog.said(f"MAIL FROM:<{sender}>")).startswith("250")
    return dialog


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("ann@a.example", "250 2.1.5"),
        ("Ann+x-y@A.Example", "250 2.1.5"),
        ("team@a.example", "250 2.1.5"),
        ("anything@all.example", "250 2.1.5"),
        ("nobody@a.example", "550 5.1.1"),
        ("old@a.example", "550 5.1.6"),
        ("busy@a.example", "421 4.2.1"),
        ("ann@off.example", "450 4.2.1"),
        ("nobody@off.example", "450 4.2.1"),
        ("ann@far.example", "550 5.7.1"),
        # Features B24.
        ("postmaster", "250 2.1.5"),
        ("PostMaster", "250 2.1.5"),
        ("POSTMASTER@MX.EXAMPLE", "250 2.1.5"),
        ("postmaster@a.example", "250 2.1.5"),
        ("postmaster@unconfigured.example", "550 5.7.1"),
        ("someone@mx.example", "550 5.1.1"),
        ("x" * 129 + "@a.example", "501 5.1.3"),
    ],
)
async def test_each_recipient_has_its_answer(dialog: Dialog, address: str, reply: str) -> None:
    await begun(dialog)
    assert await dialog.rcpt(address) == reply
    # Whoever answers 421 closes (RFC 5321 §3.8).
    assert dialog.session._closing is (reply[:3] == "421")


@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("x@far.example", "250 2.1.0"),
        # Of ours, though the DNS knows nothing of them.
        ("ann@a.example", "250 2.1.0"),
        ("", "250 2.1.0"),
        ("x@null.example", "550 5.7.27"),
        ("x@text.example", "550 5.7.27"),
        ("x@gone.example", "550 5.7.27"),
        ("x@[192.0.2.1]", "550 5.7.0 "),
    ],
)
async def test_a_sender_nobody_could_answer_is_refused(dialog: Dialog, sender: str, reply: str) -> None:
    """Features B03."""
    said = await dialog.said(f"MAIL FROM:<{sender}>")
    assert said[:10].strip() == reply.strip()
    refused = reply[0] == "5"
    assert (dialog.session.transaction is None) is refused
    assert [one.reason for one in dialog.session.service.refusals._waiting] == ["sender-unreachable"] * refused
    # Where nobody is asked, everybody may send.
    dialog.session.service.senders = None
    await begun(dialog, sender)


@pytest.mark.parametrize("text", [one for one in RELAY if one.isascii()])
async def test_no_stranger_relays_through_us(dialog: Dialog, text: str) -> None:
    """Security SM-8: senders of ours, of others, and none."""
    for sender in ("ann@a.example", "x@far.example", ""):
        await begun(dialog, sender)
        assert (await dialog.rcpt(text))[0] in "45", text


async def test_a_null_sender_has_one_recipient(dialog: Dialog) -> None:
    await begun(dialog, "")
    assert await dialog.rcpt("ann@a.example") == "250 2.1.5"
    assert await dialog.rcpt("team@a.example") == "452 4.5.3"
    assert await dialog.rcpt("nobody@a.example") == "550 5.1.1"


async def test_a_bounce_may_come_back_to_a_forwarded_sender_and_nothing_else_may(dialog: Dialog) -> None:
    made = srs.forward(parse_address("z@far.example"), "a.example", b"k" * 32, dialog.session.service.clock.wall_ms())
    await begun(dialog, "")
    assert await dialog.rcpt(str(made)) == "250 2.1.5"
    await begun(dialog)
    assert await dialog.rcpt(str(made)) == "550 5.1.1"
    old = srs.forward(parse_address("z@far.example"), "a.example", b"k" * 32, 0)
    await begun(dialog, "")
    assert await dialog.rcpt(str(old)) == "550 5.1.1"
    assert await dialog.rcpt(str(made).replace("@a.", "@elsewhere.")) == "550 5.7.1"


async def test_a_hit_and_a_miss_wait_equally_long(dialog: Dialog) -> None:
    """Security SM-12: how long is decided before anyone is looked up."""
    await begun(dialog)
    waited: list[tuple[float, float]] = []
    for _ in range(9):
        dialog.naps.clear()
        assert await dialog.rcpt("ann@a.example") == "250 2.1.5"
        hit = sum(dialog.naps)
        dialog.naps.clear()
        assert await dialog.rcpt("nobody@a.example") == "550 5.1.1"
        waited.append((hit, sum(dialog.naps)))
    assert waited == [(one, one) for one in (0, 0, 0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0)]
    assert (await dialog.said("RCPT TO:<nobody@a.example>")).startswith("421 4.7.0")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nobody@a.example", "unknown-recipient"),
        ("old@a.example", "recipient-refused"),
        ("ann@off.example", "domain-disabled"),
        ("ann@far.example", "relay-denied"),
    ],
)
async def test_who_is_refused_leaves_a_word_for_the_trace(dialog: Dialog, address: str, reason: str) -> None:
    await begun(dialog)
    await dialog.rcpt(address)
    noted = dialog.session.service.refusals._waiting
    assert [(one.rcpt_to, one.reason) for one in noted] == [(address, reason)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StorageFault("EIO"), [("ann@a.example", 451, "not-stored"), ("team@a.example", 451, "not-stored")]),
        (StorageFull("ENOSPC"), [("ann@a.example", 452, "no-space"), ("team@a.example", 452, "no-space")]),
        (NotAllowed(), []),
    ],
)
async def test_what_the_keeper_could_not_take_leaves_a_word_too(
    dialog: Dialog, error: MailError, words: list[tuple[str, int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(dialog.session, "take", take)
    await begun(dialog)
    await dialog.rcpt("ann@a.example")
    await dialog.rcpt("team@a.example")
    session, transaction = dialog.session, dialog.session.transaction
    assert transaction is not None
    await session._finish(transaction, Body(session.service.spool_folder, 1000), early=False)
    noted = session.service.refusals._waiting
    assert [(one.rcpt_to, one.code, one.reason) for one in noted] == words
    # And its text is that of the error, for whoever asks why.
    assert all(one.text == error.public for one in noted)
