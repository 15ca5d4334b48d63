import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.errors import Invalid
from mail.policy.facts import MessageFacts, Signature
from mail.policy.rulesets import Ruleset, check, first_match

MESSAGE = MessageFacts(
    ip="192.0.2.1",
    mail_from="Bounce+1@list.example",
    spf="pass",
    spf_domain="list.example",
    author="Ann@x.example",
    dkim=(Signature("pass", "mail.y.example"), Signature("fail", "z.example")),
)
HEADER = [("List-Id", "Our News <News.List.Example>"), ("X-Spam", "NO"), ("Subject", "Hello")]
PLAIN = Ruleset(ruleset_id=1, smtp_mail_from="^bounce", mailbox="Lists")


def holds(**conditions: object) -> bool:
    ruleset = Ruleset(mailbox="Lists", **conditions)  # type: ignore[arg-type]
    check(ruleset)
    return first_match([ruleset], MESSAGE, HEADER) is not None


def test_each_condition_holds_on_its_own_and_all_must_hold_together() -> None:
    assert holds(smtp_mail_from=r"^bounce\+.*@list\.example$")
    assert holds(msg_from="^ann@")
    assert holds(verified_domain="list.example")
    assert holds(headers=(("^list-id$", "<news\\.list\\.example>"), ("^x-spam$", "^no$")))
    assert not holds(msg_from="^ann@", verified_domain="other.example")
    assert not holds(headers=(("^list-id$", "<news"), ("^x-spam$", "^yes$")))


def test_a_verified_domain_has_its_subdomains_and_must_have_passed() -> None:
    assert holds(verified_domain="y.example")
    assert not holds(verified_domain="z.example")
    assert not holds(verified_domain="sub.list.example")
    assert not holds(verified_domain="t.example")


def test_the_first_ruleset_that_matches_is_the_one() -> None:
    never = replace(PLAIN, ruleset_id=2, smtp_mail_from="^never")
    assert first_match([never, PLAIN, replace(PLAIN, ruleset_id=3)], MESSAGE, HEADER) == PLAIN
    assert first_match([never], MESSAGE, HEADER) is None
    assert first_match([], MESSAGE, HEADER) is None


def test_the_header_is_read_once_and_only_when_a_rule_asks() -> None:
    reads: list[str] = []

    def header() -> Iterator[tuple[str, str]]:
        for name, value in HEADER:
            reads.append(name)
            yield name, value

    by_header = replace(PLAIN, ruleset_id=9, headers=(("subject", "hello"),))
    nothing = replace(by_header, headers=(("subject", "bye"),))
    assert first_match([PLAIN], MESSAGE, header()) == PLAIN and reads == []
    assert first_match([nothing, nothing, by_header], MESSAGE, header()) == by_header
    assert len(reads) == len(HEADER)


def test_only_the_beginning_of_a_huge_header_is_looked_at() -> None:
    huge = [("X-Fill", "a" * 5000)] * 1000 + [("Subject", "Hello")]
    assert first_match([replace(PLAIN, headers=(("subject", "hello"),))], MESSAGE, huge) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"smtp_mail_from": ""},
        {"mailbox": ""},
        {"accept_rejects_to": "Inbox"},
        {"accept_rejects_to": "INBOX"},
        {"accept_rejects_to": "inbox"},
        {"accept_rejects_to": "Verda\u0308chtig"},
        {"mailbox": "Verda\u0308chtig"},
        {"smtp_mail_from": "(open"},
        {"headers": (("subject", "("),)},
        {"headers": (("subject", "x"),) * 21},
        {"is_forward": True},
        {"is_forward": True, "smtp_mail_from": "", "verified_domain": "x.example"},
        {"is_forward": True, "verified_domain": "x.example", "list_allow_domain": "x.example"},
        {"list_allow_domain": "no domain"},
        {"verified_domain": "X.example"},
        {"comment": "x" * 1001},
    ],
)
def test_a_ruleset_that_cannot_work_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        check(replace(PLAIN, **changed))  # type: ignore[arg-type]


def test_a_ruleset_that_can_work_is_taken() -> None:
    check(PLAIN)
    check(replace(PLAIN, mailbox="Inbox", accept_rejects_to="Rejects", comment="for Ömer"))
    check(replace(PLAIN, is_forward=True, verified_domain="fwd.example"))
    check(Ruleset(headers=(("list-id", "x"),), list_allow_domain="list.example", mailbox="Lists"))


def test_rulesets_are_kept_as_json() -> None:
    ruleset = replace(PLAIN, headers=(("a", "b"), ("c", "d")), is_forward=True)
    assert Ruleset.from_json(json.loads(json.dumps(ruleset.as_json()))) == ruleset


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["mailbox", "headers", "is_forward", "ruleset_id", "unknown"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text() | st.lists(st.text() | st.none())),
    )
)
def test_json_that_is_no_ruleset_is_invalid_and_nothing_else(values: dict[str, object]) -> None:
    try:
        Ruleset.from_json(values)
    except Invalid:
        pass


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40), st.lists(st.tuples(st.text(st.characters()), st.text(st.characters()))))
def test_no_message_is_too_odd_to_be_matched(author: str, header: list[tuple[str, str]]) -> None:
    rules = [replace(PLAIN, smtp_mail_from="", msg_from="a", headers=((".", "b"),)), PLAIN]
    assert first_match(rules, replace(MESSAGE, author=author), header) is not None
