"""RCPT at port 25, in a session without a socket: who is taken, who is refused, and how long either takes."""

import asyncio
from pathlib import Path

import pytest

from listeners.serve import Origin
from listeners.smtp.mx import MxSession
from listeners.smtp.service import Service
from mail import srs
from mail.accounts import snapshot
from mail.accounts.routing import AccountRule, AddressRule, AliasRule, DomainRule, Tables
from mail.address import parse_address
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
    service = Service(
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
        sign=None,  # type: ignore[arg-type]
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
