"""mailctl ruleset, on a running bundle."""

from typing import Any

from mail.errors import Invalid, NotFound
from tests.app.conftest import Run

LIST = ("--list-domain", "lists.example", "--verified-domain", "lists.example", "--mailbox", "Lists")


def test_rulesets_are_added_moved_listed_and_removed(run: Run, told: Any) -> None:
    told("domain", "add", "rule.example")
    told("account", "add", "rita", "rita@rule.example")
    first = told("ruleset", "add", "rita@rule.example", *LIST, "--comment", "the list")
    assert first["rule"] == {
        "list_allow_domain": "lists.example",
        "verified_domain": "lists.example",
        "mailbox": "Lists",
        "comment": "the list",
    }
    words = ("--header", "list-id=<x=y>", "--header", "subject=.*", "--mailbox", "X", "--accept-rejects-to", "Maybe")
    second = told("ruleset", "add", "Rita@rule.example", *words, "--position", "1")
    assert second["rule"]["headers"] == [["list-id", "<x=y>"], ["subject", ".*"]]
    forward = ("--forward", "--mail-from-regexp", "^x@", "--verified-domain", "far.example", "--mailbox", "X")
    third = told("ruleset", "add", "rita@rule.example", *forward, "--from-regexp", "^y@")
    assert third["rule"]["is_forward"] is True and third["position"] == 3
    moved = told("ruleset", "move", "rita@rule.example", str(first["id"]), "1")
    assert moved["position"] == 1
    told("ruleset", "remove", "rita@rule.example", str(third["id"]))
    listed = told("ruleset", "list", "rita@rule.example")
    assert [(one["position"], one["id"]) for one in listed] == [(1, first["id"]), (2, second["id"])]
    assert len(told("account", "show", "rita")["rulesets"]) == 2
    assert "Lists" in run("account", "show", "rita").output and run("ruleset", "list").output.startswith("address")


def test_a_ruleset_that_cannot_be_is_told(run: Run, told: Any) -> None:
    told("domain", "add", "rule2.example")
    told("account", "add", "rolf", "rolf@rule2.example")
    assert isinstance(run("ruleset", "add", "rolf@rule2.example", "--header", "subject").exception, Invalid)
    assert isinstance(run("ruleset", "add", "nobody@rule2.example", *LIST).exception, NotFound)
    assert isinstance(run("ruleset", "remove", "rolf@rule2.example", "1").exception, NotFound)
