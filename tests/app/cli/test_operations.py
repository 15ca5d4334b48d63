import json
from typing import Any

from mail.config import settings as config
from tests.app.conftest import Run
from tests.bundle import Bundle


def test_a_sound_store_is_verified(told: Any, run: Run):
    result = told("verify")
    assert (result["ok"], result["findings"]) == (True, [])
    assert result["counts"]["accounts"] >= 1
    assert run("verify", "--no-hashes").output.splitlines()[-1].startswith("0 findings, ")


def test_status_counts_and_asks_the_inner_programs(told: Any, run: Run):
    result = told("status")
    assert result["programs"] == {"keeper": "ok", "auth": "ok"}
    assert result["counts"]["messages"] >= 0
    assert "keeper" in run("status").output


def test_settings_are_shown_as_they_are_in_force(bundle: Bundle, told: Any, run: Run):
    assert told("settings", "show")["data_dir"] == str(bundle.folder / "state")
    assert "simulate_failures            True" in run("settings", "show").output
    assert run("settings", "page").output == config.page()


def test_migrating_a_current_database_changes_nothing(told: Any):
    assert told("migrate") == {"migrated": True}


def test_every_command_takes_json_but_the_page(run: Run):
    for words in (["domain", "list"], ["account", "list"], ["address", "list"], ["queue", "list"], ["trace"]):
        assert isinstance(json.loads(run(*words, "--json").output), list), words
