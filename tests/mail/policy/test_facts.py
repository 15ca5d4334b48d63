from dataclasses import fields

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.errors import Invalid
from mail.policy.facts import Key, MessageFacts, Past, RecipientFacts, Signature, addressed, is_within
from tests.mail.policy.drawn import messages, recipients


@settings(max_examples=200, deadline=None)
@given(messages())
def test_a_message_comes_back_from_json_as_it_was(message: MessageFacts) -> None:
    assert MessageFacts.from_json(orjson.loads(orjson.dumps(message.as_json()))) == message


@settings(max_examples=200, deadline=None)
@given(recipients())
def test_a_recipient_comes_back_from_json_as_it_was(recipient: RecipientFacts) -> None:
    assert RecipientFacts.from_json(orjson.loads(orjson.dumps(recipient.as_json()))) == recipient


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["ip", "tls", "dkim", "size", "to_and_cc", "history", "probability", "spam_words"]), JSON)
def test_json_of_the_wrong_shape_is_invalid_and_nothing_else(name: str, value: object) -> None:
    for kind, needed in ((MessageFacts, "ip"), (RecipientFacts, "rcpt_to")):
        try:
            kind.from_json({needed: "x", name: value})
        except Invalid:
            pass


def test_a_missing_address_is_invalid_and_a_wrong_type_is_named() -> None:
    with pytest.raises(Invalid):
        MessageFacts.from_json({})
    with pytest.raises(Invalid, match="is no bool"):
        MessageFacts.from_json({"ip": "192.0.2.1", "tls": "yes"})


def test_a_trace_of_another_version_is_read_with_defaults() -> None:
    old = MessageFacts.from_json({"ip": "192.0.2.1", "something_that_was": 1})
    assert old == MessageFacts(ip="192.0.2.1")


def test_history_is_kept_under_its_keys() -> None:
    history = {Key("dkim", "x.example"): (Past(3, True, "a"), Past(2)), Key("to", "b@y.example"): (Past(1),)}
    recipient = RecipientFacts(rcpt_to="a@ours.example", history=history)
    assert RecipientFacts.from_json(orjson.loads(orjson.dumps(recipient.as_json()))).history == history


def test_no_history_and_an_empty_history_are_two_things() -> None:
    for history in (None, {}):
        recipient = RecipientFacts(rcpt_to="a@ours.example", history=history)
        assert RecipientFacts.from_json(orjson.loads(orjson.dumps(recipient.as_json()))).history == history


def test_a_recipient_is_addressed_in_any_case_but_only_by_the_address_of_the_envelope() -> None:
    assert addressed("User+shop@ours.example", ("x@y.example", "user+SHOP@Ours.Example"))
    assert not addressed("user+shop@ours.example", ("user@ours.example",))
    assert not addressed("user@ours.example", ())


def test_an_empty_localpart_counts_as_addressed() -> None:
    assert addressed("@ours.example", ())


def test_only_signatures_that_hold_and_the_spf_sender_verify_a_domain() -> None:
    dkim = (Signature("pass", "a.example"), Signature("fail", "b.example"), Signature("pass", "c.example", False))
    message = MessageFacts(ip="192.0.2.1", dkim=dkim, spf="pass", spf_domain="d.example")
    assert message.verified_domains == ("a.example", "d.example")
    helo = MessageFacts(ip="192.0.2.1", spf="pass", spf_identity="helo", spf_domain="d.example")
    assert helo.verified_domains == ()


def test_a_domain_is_within_itself_and_its_parents_only() -> None:
    assert is_within("a.b.example", "b.example") and is_within("b.example", "b.example")
    assert not is_within("ab.example", "b.example")


def test_what_has_its_default_is_left_out_and_told_in_full_to_readers() -> None:
    facts = MessageFacts(ip="192.0.2.1", spf="pass", to_and_cc=("ann@a.example",))
    assert facts.as_json() == {"ip": "192.0.2.1", "spf": "pass", "to_and_cc": ["ann@a.example"]}
    told = facts.in_full()
    assert told["dkim"] == [] and told["tls"] is False and told["spf"] == "pass" and len(told) == len(fields(facts))
    assert MessageFacts.from_json(told) == facts
