import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dns.resolver import Answer, LookupFailed, NoRecords
from mail.dns.zone import ZoneResolver
from mail.errors import Invalid

ZONE = {
    "A.example.": [{"A": "192.0.2.1"}, {"A": "192.0.2.2"}, {"AAAA": "2001:DB8::1"}, {"MX": [10, "mx.a.example"]}],
    "null.example": [{"MX": [0, ""]}],
    "spf.example": [{"SPF": "v=spf1 -all"}, {"SPF": ["two ", "parts"]}],
    "both.example": [{"SPF": "v=spf1 +all"}, {"TXT": "v=spf1 -all"}],
    "spfonly.example": [{"SPF": "v=spf1 -all"}, {"TXT": "NONE"}],
    "octets.example": [{"TXT": "\x80\xff"}, {"TXT": b"\x80"}, {"TXT": "\u20ac"}, {"TXT": []}],
    "alias.example": [{"CNAME": "A.example"}],
    "loop.example": [{"CNAME": "loop.example."}],
    "1.2.0.192.in-addr.arpa": [{"PTR": "A.example"}],
    "down.example": ["TIMEOUT"],
    "all.down.example": "TIMEOUT",
    "txt.example": [{"TXT": "here"}, "TIMEOUT", {"A": "192.0.2.1"}],
    "implied.example": [{"SPF": "v=spf1 -all"}, "TIMEOUT"],
    "slow.example": [{"A": "192.0.2.1"}, {"TXT": "TIMEOUT"}],
    "empty.example": [],
}


async def records(name: str, kind: str) -> tuple[str, ...]:
    return (await ZoneResolver(ZONE).lookup(name, kind)).records


async def test_records_are_in_presentation_format_whatever_the_case():
    assert await records("a.EXAMPLE.", "A") == ("192.0.2.1", "192.0.2.2")
    assert await records("a.example", "AAAA") == ("2001:db8::1",)
    assert await records("a.example", "MX") == ("10 mx.a.example.",)
    assert await records("null.example", "MX") == ("0 .",)
    assert await records("1.2.0.192.in-addr.arpa", "PTR") == ("A.example.",)


async def test_spf_stands_for_txt_unless_there_is_a_txt():
    assert await records("spf.example", "TXT") == ("v=spf1 -all", "two parts")
    assert await records("both.example", "TXT") == ("v=spf1 -all",)
    with pytest.raises(NoRecords) as missing:
        await records("spfonly.example", "TXT")
    assert missing.value.exists


async def test_texts_are_octets():
    assert await records("octets.example", "TXT") == ("\x80\xff", "\x80", "\xe2\x82\xac", "")


async def test_aliases_are_followed_and_circles_fail():
    answer = await ZoneResolver(ZONE).lookup("alias.example", "A")
    assert answer == Answer(("192.0.2.1", "192.0.2.2"), False, "a.example")
    assert await records("alias.example", "CNAME") == ("A.example.",)
    with pytest.raises(LookupFailed):
        await records("loop.example", "A")


async def test_timeouts_fail_what_was_not_answered_before_them():
    assert await records("txt.example", "TXT") == ("here",)
    assert await records("slow.example", "A") == ("192.0.2.1",)
    for name, kind in (
        ("down.example", "A"),
        ("all.down.example", "TXT"),
        ("txt.example", "A"),
        ("implied.example", "TXT"),
        ("slow.example", "TXT"),
        ("error.example", "A"),
    ):
        with pytest.raises(LookupFailed):
            await records(name, kind)


async def test_absent_names_and_absent_records_are_kept_apart():
    for name, exists in (("nowhere.example", False), ("empty.example", True), ("a.example", True)):
        with pytest.raises(NoRecords) as missing:
            await records(name, "TXT")
        assert missing.value.exists is exists


@pytest.mark.parametrize(
    "zone",
    [
        [],
        {1: []},
        {"a.example": {"A": "192.0.2.1"}},
        {"a.example": ["NONSENSE"]},
        {"a.example": [{"A": "192.0.2.1", "AAAA": "::1"}]},
        {"a.example": [{"A": "::1"}]},
        {"a.example": [{"AAAA": 5}]},
        {"a.example": [{"MX": "mx.example"}]},
        {"a.example": [{"MX": [-1, "mx.example"]}]},
        {"a.example": [{"MX": ["x", "mx.example"]}]},
        {"a.example": [{"TXT": 5}]},
        {"a.example": [{"": "x"}]},
        {"a.example": [{5: "x"}]},
        {"a.example": [None]},
    ],
)
def test_zones_of_another_shape_are_refused_in_words(zone):
    with pytest.raises(Invalid) as error:
        ZoneResolver(zone)
    assert error.value.public.startswith("bad zone: ")


texts = st.text(max_size=8)
values = st.none() | st.integers() | texts | st.just("TIMEOUT") | st.lists(st.integers() | texts, max_size=3)
kinds = st.sampled_from(["A", "MX", "TXT", "SPF", "CNAME", "PTR"]) | st.text(max_size=4)
records_at_a_name = st.lists(st.dictionaries(kinds, values, max_size=2) | st.just("TIMEOUT"), max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "error.c"]), records_at_a_name, max_size=3))
async def test_whatever_json_says_is_a_zone_or_invalid(zone):
    zone = json.loads(json.dumps(zone))
    try:
        resolver = ZoneResolver(zone)
    except Invalid:
        return
    for name in zone:
        for kind in ("A", "TXT", "MX"):
            with contextlib.suppress(NoRecords, LookupFailed):
                assert (await resolver.lookup(name, kind)).records


async def test_what_is_marked_is_secure_through_every_alias():
    zone = ZoneResolver(
        {
            "signed.example": [{"SECURE": "yes"}, {"A": "192.0.2.1"}],
            "_25._tcp.signed.example": [{"SECURE": "yes"}, {"TLSA": "3 1 1 abcd"}],
            "alias.example": [{"CNAME": "signed.example"}],
            "both.example": [{"CNAME": "signed.example"}, {"SECURE": "yes"}],
        }
    )
    assert (await zone.lookup("_25._tcp.signed.example", "TLSA")).records == ("3 1 1 abcd",)
    names = ("signed.example", "alias.example", "both.example")
    assert [(await zone.lookup(name, "A")).secure for name in names] == [True, False, True]
    with pytest.raises(NoRecords) as none:
        await zone.lookup("signed.example", "MX")
    assert none.value.secure
