import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.mtasts.policy import MAX_AGE_MAX, BadPolicy, Policy, parse_policy, policy_url

# RFC 8461 §3.2
EXAMPLE = (
    b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\n"
    b"max_age: 604800\n"
)
READ = Policy("enforce", ("mail.example.com", "*.example.net", "backupmx.example.com"), 604_800)


@pytest.mark.parametrize("octets", [EXAMPLE, EXAMPLE.replace(b"\n", b"\r\n"), EXAMPLE.rstrip(), EXAMPLE + b"x: y\n"])
def test_the_example_of_the_rfc_is_read(octets):
    assert parse_policy(octets) == READ


def test_what_is_written_is_read_again():
    assert parse_policy(READ.text().encode()) == READ
    assert READ.lines()[:2] == ("version: STSv1", "mode: enforce")


def test_of_a_field_written_twice_the_first_counts():
    found = parse_policy(b"version: STSv1\nmode: testing\nmode: enforce\nmx: a.test\nmax_age: 1\nmax_age: 2\n")
    assert (found.mode, found.max_age) == ("testing", 1)


def test_a_policy_of_no_policy_needs_no_hosts_and_a_life_has_its_end():
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 9999999999") == Policy("none", (), MAX_AGE_MAX)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<html>\n",
        b"\xff",
        EXAMPLE.replace(b"STSv1", b"STSv2"),
        EXAMPLE.replace(b"enforce", b"strict"),
        EXAMPLE.replace(b"604800", b"a week"),
        EXAMPLE.replace(b"604800", b"-1"),
        EXAMPLE.replace(b"max_age", b"age"),
        EXAMPLE.replace(b"mail.example.com", b"mail.*.com"),
        EXAMPLE.replace(b"mail.example.com", b"*"),
        b"version: STSv1\nmode: enforce\nmax_age: 1",
        EXAMPLE + b"mx: a.test\n" + b"".join(b"mx: h%d.test\n" % number for number in range(300)),
    ],
)
def test_what_is_no_policy_is_refused(octets):
    with pytest.raises(BadPolicy):
        parse_policy(octets)


@given(st.binary(max_size=300))
def test_nothing_else_comes_of_any_octets(octets):
    try:
        parse_policy(octets)
    except BadPolicy:
        pass


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("x.example.net", True),
        ("example.net", False),
        ("x.y.example.net", False),
        (".example.net", False),
        ("xmail.example.com", False),
        ("evil.test", False),
    ],
)
def test_a_star_stands_for_one_label(host, wanted):
    assert READ.matches(host) is wanted


def test_the_file_has_its_place():
    assert policy_url("a.test") == "https://mta-sts.a.test/.well-known/mta-sts.txt"
    assert policy_url("a.test", 8443) == "https://mta-sts.a.test:8443/.well-known/mta-sts.txt"
