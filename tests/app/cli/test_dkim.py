"""mailctl dkim, on a running bundle, whose local domain has keys from its start."""

from pathlib import Path
from typing import Any

import pytest

from mail.dkim.key import parse_key
from mail.errors import Exists, Invalid, NotFound
from tests.app.conftest import Run
from tests.bundle import Bundle, wait_until


def files(bundle: Bundle, domain: str) -> set[str]:
    """The selectors that have a private key."""
    return {path.stem for path in Path(bundle.folder / "state/keys/dkim" / domain).glob("*.pem")}


def states(told: Any, domain: str) -> dict[str, str]:
    return {one["selector"]: one["state"] for one in told("dkim", "list", domain)}


def test_the_local_domain_signs_from_the_start(run: Run, told: Any, bundle: Bundle):
    keys = told("dkim", "list", "localhost")
    assert {(one["kind"], one["state"]) for one in keys} == {("rsa", "active"), ("ed25519", "active")}
    assert files(bundle, "localhost") == {one["selector"] for one in keys}
    lines = run("dkim", "list").output.splitlines()
    assert lines[0].split()[:4] == ["domain", "selector", "kind", "state"]


def test_a_new_domain_has_keys_and_its_owner_the_records(run: Run, told: Any, bundle: Bundle):
    output = run("domain", "add", "keys.example").output
    assert output.count("._domainkey.keys.example. IN TXT") == 2
    for one in told("dkim", "list", "keys.example"):
        assert one["name"] == f"{one['selector']}._domainkey.keys.example" and one["type"] == "TXT"
        assert max(map(len, one["strings"])) <= 255 and one["zone"] in output
        assert parse_key("".join(one["strings"])).kind == one["kind"]
    assert isinstance(run("dkim", "add", "keys.example").exception, Exists)
    told("domain", "remove", "keys.example")
    assert files(bundle, "keys.example") == set()
    assert isinstance(run("dkim", "list", "keys.example").exception, NotFound)


def test_keys_are_replaced_in_two_steps_with_an_overlap(run: Run, told: Any, bundle: Bundle):
    before = {one["selector"] for one in told("domain", "add", "turn.example")["dkim"]}
    first = told("dkim", "rotate", "turn.example")
    coming = {one["selector"] for one in first["keys"]}
    assert not first["activated"] and coming.isdisjoint(before)
    assert states(told, "turn.example") == dict.fromkeys(before, "active") | dict.fromkeys(coming, "next")
    # The bundle asks no DNS, so it does not find them there.
    refused = run("dkim", "rotate", "turn.example").exception
    assert isinstance(refused, Invalid) and "the DNS does not answer" in refused.public and "IN TXT" in refused.public
    assert states(told, "turn.example") == dict.fromkeys(before, "active") | dict.fromkeys(coming, "next")
    done = told("dkim", "rotate", "turn.example", "--force", "--overlap-days", "3")
    assert done["activated"]
    assert states(told, "turn.example") == dict.fromkeys(before, "retiring") | dict.fromkeys(coming, "active")
    (one,) = [key for key in done["keys"] if key["selector"] == min(before)]
    (new,) = [key for key in done["keys"] if key["selector"] == min(coming)]
    assert one["retire_at"] - new["active_at"] == 3 * 86_400_000
    assert files(bundle, "turn.example") == before | coming
    assert "IN TXT" in run("dkim", "list", "turn.example", "--dns").output


def test_one_is_retired_at_once_but_not_the_last(run: Run, told: Any, bundle: Bundle):
    told("domain", "add", "old.example")
    rsa, ed25519 = (one["selector"] for one in told("dkim", "list", "old.example"))
    assert told("dkim", "retire", "old.example", rsa)["state"] == "retired"
    assert files(bundle, "old.example") == {ed25519}
    assert isinstance(run("dkim", "retire", "old.example", ed25519).exception, Invalid)
    assert told("dkim", "retire", "old.example", ed25519, "--force")["state"] == "retired"
    assert isinstance(run("dkim", "retire", "old.example", ed25519, "--force").exception, Invalid)
    assert isinstance(run("dkim", "retire", "old.example", "none").exception, NotFound)


def test_a_key_may_be_named_and_of_one_kind(run: Run, told: Any):
    told("domain", "add", "named.example")
    rsa, _ = told("dkim", "list", "named.example")
    told("dkim", "retire", "named.example", rsa["selector"])
    assert isinstance(run("dkim", "add", "named.example", "--selector", "mine").exception, Invalid)
    assert isinstance(run("dkim", "add", "named.example", "--kind", "rsa", "--selector", "a b").exception, Invalid)
    (made,) = told("dkim", "add", "named.example", "--kind", "rsa", "--selector", "mine")
    assert (made["selector"], made["kind"], made["state"]) == ("mine", "rsa", "active")
    assert isinstance(run("dkim", "add", "none.example").exception, NotFound)


@pytest.mark.faults
def test_without_the_sign_process_a_domain_is_added_and_says_what_it_lacks(run: Run, told: Any, bundle: Bundle):
    bundle.supervisorctl("stop", "sign")
    try:
        assert "mailctl dkim add alone.example" in run("domain", "add", "alone.example").output
        assert told("dkim", "list", "alone.example") == []
    finally:
        bundle.supervisorctl("start", "sign")
    wait_until(lambda: (bundle.folder / "run/sign.sock").exists(), 10, "sign answers")
    assert len(told("dkim", "add", "alone.example")) == 2
