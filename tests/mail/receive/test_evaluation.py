"""What an aggregate report is made of, as a listener finds it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.dns.fake import FakeResolver
from mail.receive.evaluation import INTERVALS, evaluation_of, interval_hours
from tests.dkim_signer import MESSAGE, sign, zone
from tests.mail.receive.test_gather import ZONE, envelope, gathered


@pytest.mark.parametrize(
    ("seconds", "hours"),
    [(0, 1), (1, 1), (3600, 1), (3601, 2), (5 * 3600, 4), (7 * 3600, 6), (86400, 24), (10**9, 24), (86399, 24)],
)
def test_begun_hours_count_and_a_day_divides_by_them(seconds: int, hours: int):
    assert interval_hours(seconds) == hours


@given(st.integers(0, 2**32))
def test_an_interval_always_divides_a_day_and_is_never_longer_than_asked(seconds: int):
    hours = interval_hours(seconds)
    assert hours in INTERVALS and 24 % hours == 0 and (hours - 1) * 3600 <= max(seconds - 1, 0)


async def test_everything_a_row_of_a_report_needs_is_there():
    records = {
        **ZONE,
        "TXT _dmarc.a.example": ["v=DMARC1; p=quarantine; pct=50; aspf=s; ri=3600; rua=mailto:r@a.example,mailto:x@y"],
        "TXT bounce.a.example": ["v=spf1 ip4:192.0.2.1 -all"],
        **zone("other.example"),
    }
    octets = sign(sign(MESSAGE, d="other.example"), d="a.example")
    sender = envelope("x@bounce.a.example")
    found = await gathered(FakeResolver(records), octets, mail_from="x@bounce.a.example")
    assert evaluation_of(found, sender) == {
        "policy_domain": "a.example",
        "interval_hours": 1,
        "rua": ["mailto:r@a.example", "mailto:x@y"],
        "published": {
            "domain": "a.example",
            "adkim": "r",
            "aspf": "s",
            "p": "quarantine",
            "sp": "quarantine",
            "np": "",
            "pct": 50,
        },
        "source_ip": "192.0.2.1",
        "aligned_dkim": True,
        "aligned_spf": False,
        "envelope_from": "bounce.a.example",
        "header_from": "a.example",
        # What somebody else signed is not this domain's business.
        "dkim_results": [{"domain": "a.example", "selector": "rsa", "result": "pass"}],
        "spf_result": {"domain": "bounce.a.example", "scope": "mfrom", "result": "pass"},
    }


async def test_of_the_null_sender_the_helo_is_told():
    found = await gathered(FakeResolver(ZONE), mail_from="")
    told = evaluation_of(found, envelope(""))
    assert told is not None
    assert (told["envelope_from"], told["spf_result"]["scope"]) == ("", "helo")


@pytest.mark.parametrize("record", [None, ["v=DMARC1; p=reject"], ["v=DMARC1; p=none; rua="]])
async def test_who_wants_no_reports_is_sent_none(record: list[str] | None):
    records = {name: rows for name, rows in ZONE.items() if name != "TXT _dmarc.a.example"}
    if record:
        records["TXT _dmarc.a.example"] = record
    found = await gathered(FakeResolver(records))
    assert evaluation_of(found, envelope()) is None
    assert evaluation_of(replace(found, dmarc=replace(found.dmarc, record=None)), envelope()) is None
