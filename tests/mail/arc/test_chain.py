import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.arc.chain import SETS_MAX, ArcSet, BrokenChain, arc_fields, cv_fault, read_chain
from mail.message.fields import parse_header

NOW = 1_700_000_000


def arc_set(
    instance: object, *, cv: str = "pass", seal: str = "", message: str = "", results: str = "x; spf=pass"
) -> str:
    sealed = seal or f"i={instance}; a=rsa-sha256; b=YWJj; cv={cv}; d=a.example; s=s"
    signed = message or f"i={instance}; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=from; c=relaxed/simple"
    authenticated = f"i={instance}; {results}"
    return f"ARC-Seal: {sealed}\r\nARC-Message-Signature: {signed}\r\nARC-Authentication-Results: {authenticated}\r\n"


def read(*sets: str) -> list[ArcSet]:
    header = parse_header(("".join(sets) + "From: a\r\n\r\n").encode())
    return read_chain(arc_fields(header), now=NOW)


def test_sets_are_put_in_order_wherever_they_stand() -> None:
    chain = read(arc_set(2), arc_set(3), arc_set(1, cv="none", results="mx.example (it is);\r\n\tarc=none"))
    assert [one.instance for one in chain] == [1, 2, 3]
    assert [one.seal.cv for one in chain] == ["none", "pass", "pass"]
    assert chain[0].authres == "mx.example (it is);\tarc=none"
    assert chain[0].seal.key_name == "s._domainkey.a.example"


def test_a_message_signature_without_c_has_two_readings() -> None:
    (one,) = read(arc_set(1, cv="none", message="i=1;a=rsa-sha256;b=YWJj;bh=YWJj;d=a.example;s=s;h=from"))
    assert not isinstance(one.readings, str)
    assert [(each.header_relaxed, each.body_relaxed) for each in one.readings] == [(False, False), (True, True)]


def test_the_instance_may_be_written_with_comments_and_a_nought() -> None:
    fields = arc_set(1, cv="none").replace("Results: i=1;", "Results: (a) i (b)=\r\n 01 ;")
    assert [one.instance for one in read(fields)] == [1]


@pytest.mark.parametrize(
    "sets",
    [
        [arc_set(2)],
        [arc_set(3), arc_set(1, cv="none")],
        [arc_set(1, cv="none"), arc_set(1, cv="none")],
        [arc_set(0, cv="none")],
        [arc_set("one", cv="none")],
        [arc_set("", cv="none")],
        [arc_set(1024, cv="none")],
        [arc_set("-1", cv="none")],
        [arc_set(SETS_MAX + 1)],
    ],
)
def test_a_chain_out_of_order_is_broken(sets: list[str]) -> None:
    with pytest.raises(BrokenChain):
        read(*sets)


@pytest.mark.parametrize(
    ("sets", "instance"),
    [
        ([arc_set(1, cv="pass")], 1),
        ([arc_set(1, cv="fail")], 1),
        ([arc_set(2), arc_set(1, cv="fail")], 1),
        ([arc_set(2, cv="none"), arc_set(1, cv="none")], 2),
        ([arc_set(2, cv="fail"), arc_set(1, cv="none")], 2),
    ],
)
def test_the_seals_must_say_none_and_then_pass(sets: list[str], instance: int) -> None:
    assert f"instance {instance} " in cv_fault(read(*sets))


@pytest.mark.parametrize("name", ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"])
def test_a_set_must_be_complete_and_have_nothing_twice(name: str) -> None:
    whole = arc_set(1, cv="none")
    (line,) = [line for line in whole.splitlines(keepends=True) if line.startswith(name)]
    for broken in (whole.replace(line, ""), line + whole, line.replace("i=1;", "") + whole, line):
        with pytest.raises(BrokenChain):
            read(broken)


@pytest.mark.parametrize(
    "seal",
    [
        "i=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=s; h=from",
        "i=1; a=rsa-sha1; b=YWJj; cv=none; d=a.example; s=s",
        "i=1; a=none; b=YWJj; cv=none; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=; cv=none; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=!; cv=none; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=YWJj; cv=NONE; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=YWJj; cv=; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=YWJj; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=YWJj; cv=none; d=(; s=s",
        "i=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=",
        "i=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=s; t=now",
        "i=1; i=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=s",
        "I=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=s",
        "i=1; a=rsa-sha256; b=YWJj; cv=none; d=a.example; s=s;;",
    ],
)
def test_a_seal_that_is_not_sound_breaks_the_chain(seal: str) -> None:
    with pytest.raises(BrokenChain):
        read(arc_set(1, seal=seal))


@pytest.mark.parametrize(
    "message",
    [
        "i=1; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=from:arc-seal",
        "i=1; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=subject",
        "i=1; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=",
        "i=1; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=from; x=3",
        "i=1; a=rsa-sha256; b=YWJj; bh=YWJj; d=a.example; s=s; h=from; t=",
        "i=1; a=rsa-sha1; b=YWJj; bh=YWJj; d=a.example; s=s; h=from",
        "i=1; a=rsa-sha256; b=YWJj; d=a.example; s=s; h=from",
    ],
)
def test_a_message_signature_that_is_not_sound_is_told_and_breaks_nothing(message: str) -> None:
    (one,) = read(arc_set(1, cv="none", message=message))
    assert isinstance(one.readings, str)


def test_too_many_and_too_long_fields_break_the_chain() -> None:
    with pytest.raises(BrokenChain, match="too many"):
        read(*[arc_set(number) for number in range(1, SETS_MAX + 2)])
    with pytest.raises(BrokenChain, match="too long"):
        read(arc_set(1, cv="none", results="x" * 40_000))


PIECES = st.sampled_from(
    ["i=1", "i=2", ";", "cv=none", "a=rsa-sha256", "b=YWJj", "d=a.example", "s=s", "h=from", " ", "("]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["seal", "message-signature", "authentication-results"]), st.lists(PIECES))))
def test_any_fields_are_a_chain_or_broken(fields: list[tuple[str, list[str]]]) -> None:
    text = "".join(f"arc-{name}: {''.join(pieces)}\r\n" for name, pieces in fields)
    found = arc_fields(parse_header(text.encode()))
    try:
        chain = read_chain(found, now=NOW) if found else []
    except BrokenChain as error:
        assert str(error)
    else:
        assert len(found) == 3 * len(chain)
