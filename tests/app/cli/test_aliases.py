"""mailctl alias, on a running bundle."""

from typing import Any

from mail.errors import Exists, Invalid, NotFound
from tests.app.conftest import Run


def test_an_alias_is_made_changed_shown_and_removed(run: Run, told: Any) -> None:
    told("domain", "add", "alias.example")
    told("account", "add", "al", "al@alias.example")
    made = told("alias", "add", "Team@alias.example", "al@alias.example", "x@far.example", "--members-only")
    assert (made["address"], made["post_public"]) == ("Team@alias.example", False)
    assert made["members"] == ["al@alias.example", "x@far.example"]
    changed = told("alias", "set", "team@alias.example", "--post-public", "--allow-from", "--list-members")
    assert changed["post_public"] and changed["allow_from"] and changed["list_members"]
    shown = run("alias", "show", "team@alias.example").output
    assert "Team@alias.example: anyone may write" in shown and "x@far.example" in shown
    assert told("account", "show", "al")["aliases"] == ["Team@alias.example"]
    assert told("alias", "member", "add", "team@alias.example", "y@far.example")["members"][-1] == "y@far.example"
    assert len(told("alias", "member", "remove", "team@alias.example", "y@far.example")["members"]) == 2
    (listed,) = told("alias", "list", "--domain", "alias.example")
    assert listed["address"] == "Team@alias.example"
    assert run("alias", "list").output.startswith("alias")
    told("alias", "remove", "team@alias.example")
    assert told("alias", "list", "--domain", "alias.example") == []


def test_what_cannot_be_is_told_with_its_remedy(run: Run, told: Any) -> None:
    told("domain", "add", "alias2.example")
    told("account", "add", "alma", "alma@alias2.example")
    assert isinstance(run("alias", "add", "Alma@alias2.example", "x@far.example").exception, Exists)
    assert isinstance(run("alias", "show", "team@alias2.example").exception, NotFound)
    told("alias", "add", "team@alias2.example", "x@far.example")
    assert isinstance(run("alias", "set", "team@alias2.example").exception, Invalid)
    assert isinstance(run("address", "add", "TEAM@alias2.example", "alma").exception, Exists)
    result = run("alias", "member", "remove", "team@alias2.example", "x@far.example")
    assert isinstance(result.exception, Invalid) and "mailctl alias remove" in result.exception.public
