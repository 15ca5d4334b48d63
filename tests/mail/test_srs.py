"""Senders of forwarded mail: there and back, for 21 days, and only by our own key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail import srs
from mail.address import Address, parse_address
from mail.errors import BadAddress, Invalid

KEY, OTHER = b"k" * srs.KEY_OCTETS, b"o" * srs.KEY_OCTETS
NOW = 1_800_000_000_000
ANN = parse_address("Ann.Other+x@a.example")


def test_a_bounce_comes_back_to_the_sender() -> None:
    made = srs.forward(ANN, "ours.example", KEY, NOW)
    assert made.domain == "ours.example" and made.localpart.startswith("SRS0=")
    assert made.localpart.endswith("=a.example=Ann.Other+x") and parse_address(str(made)) == made
    assert srs.reverse(made.localpart, KEY, NOW) == ANN
    assert srs.looks_ours(made.localpart, NOW)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_case_of_a_localpart_may_change_on_the_way(change: object) -> None:
    made = srs.forward(ANN, "ours.example", KEY, NOW)
    assert callable(change)
    assert str(srs.reverse(change(made.localpart), KEY, NOW)).lower() == str(ANN).lower()


def test_the_first_separator_may_change_on_the_way() -> None:
    made = srs.forward(ANN, "ours.example", KEY, NOW).localpart
    for separator in "+-":
        assert srs.reverse(made.replace("=", separator, 1), KEY, NOW) == ANN


def test_an_address_is_good_for_21_days() -> None:
    made = srs.forward(ANN, "ours.example", KEY, NOW).localpart
    last = NOW + srs.VALID_DAYS * srs.DAY_MS
    assert srs.reverse(made, KEY, last) == ANN
    for late in (last + srs.DAY_MS, last + 300 * srs.DAY_MS):
        assert not srs.looks_ours(made, late)
        with pytest.raises(Invalid, match="out of date"):
            srs.reverse(made, KEY, late)


def test_an_address_is_not_good_for_others_keys_or_other_senders() -> None:
    made = srs.forward(ANN, "ours.example", KEY, NOW).localpart
    for forged, key in ((made, OTHER), (made.replace("Ann", "Eve"), KEY), (made.replace("a.ex", "b.ex"), KEY)):
        with pytest.raises(Invalid):
            srs.reverse(forged, key, NOW)


def test_what_was_forwarded_before_goes_back_through_the_first_host() -> None:
    first = srs.forward(ANN, "one.example", KEY, NOW)
    second = srs.forward(first, "two.example", OTHER, NOW)
    assert second.localpart.startswith("SRS1=") and second.domain == "two.example"
    third = srs.forward(second, "three.example", KEY, NOW)
    # However often it is forwarded, the way back has two steps.
    assert third.localpart.count("=") == second.localpart.count("=")
    assert srs.reverse(second.localpart, OTHER, NOW) == srs.reverse(third.localpart, KEY, NOW) == first
    assert srs.reverse(srs.reverse(third.localpart, KEY, NOW).localpart, KEY, NOW) == ANN
    with pytest.raises(Invalid):
        srs.reverse(second.localpart, KEY, NOW)


def test_a_sender_that_would_become_too_long_is_not_rewritten() -> None:
    with pytest.raises(Invalid, match="too long"):
        srs.forward(Address("x" * 60, "a.example"), "ours.example", KEY, NOW)


@pytest.mark.parametrize(
    "text", ["", "ann", "SRS0", "SRS0=", "SRS0=a=b=c=d", "SRS1=AAAAAA=b.example==", "srs0=\u017f=" * 9]
)
def test_what_is_no_srs_address_is_invalid(text: str) -> None:
    assert not srs.looks_ours(text, NOW)
    with pytest.raises(Invalid):
        srs.reverse(text, KEY, NOW)


@settings(max_examples=200)
@given(st.text(max_size=100) | st.from_regex(r"(?i)srs[01][=+-][a-z2-7]{6}=[a-z2-7]{2}=[^=]{0,9}=.*", fullmatch=True))
def test_any_localpart_is_answered(text: str) -> None:
    srs.looks_ours(text, NOW)
    with pytest.raises(Invalid):
        srs.reverse(text, KEY, NOW)


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=20), st.sampled_from(["a.example", "xn--bcher-kva.example", "[192.0.2.1]"]))
def test_every_sender_comes_back(localpart: str, domain: str) -> None:
    try:
        sender = parse_address(str(Address(localpart, domain)), strict=False)
        made = srs.forward(sender, "ours.example", KEY, NOW)
    except (BadAddress, Invalid):
        return
    if made.localpart.startswith("SRS0="):
        assert srs.reverse(made.localpart, KEY, NOW) == sender
