import json
import smtplib
from typing import Any

import pytest

from app.cli.operations import moment
from mail.config import settings as config
from mail.errors import Invalid
from tests.app.conftest import Run
from tests.bundle import Bundle

NOW = 1_795_000_000_000


@pytest.mark.parametrize(("text", "ago"), [("30s", 30), ("5m", 300), ("12h", 43_200), ("2d", 172_800)])
def test_a_span_is_counted_back_from_now(text: str, ago: int):
    assert moment(text, NOW) == NOW - ago * 1000


def test_a_date_is_a_moment():
    assert moment("2026-11-24T10:00:30", NOW) - moment("2026-11-24T10:00", NOW) == 30_000
    assert moment("2026-11-24T10:00", NOW) - moment("2026-11-24", NOW) == 36_000_000


def test_what_is_no_time_is_said_with_what_would_be():
    with pytest.raises(Invalid) as caught:
        moment("yesterday", NOW)
    assert "2026-11-24" in caught.value.public


def test_a_message_is_found_by_address_message_id_and_conversation(bundle: Bundle, told: Any, run: Run):
    with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as client:
        text = b"Message-ID: <traced.1@remote.example>\r\nSubject: x\r\n\r\ntext\r\n"
        client.sendmail("traced@remote.example", [bundle.ready["account"]], text)
    (row,) = told("trace", "traced@remote.example", "--since", "10m")
    assert (row["message_id"], row["verdict"], row["reason"]) == (
        "traced.1@remote.example",
        "accepted",
        "no-bad-signals",
    )
    assert told("trace", "<traced.1@remote.example>") == [row]
    assert told("trace", row["cid"]) == [row]
    assert told("trace", "traced@remote.example", "--until", "1h") == []
    assert row["cid"] in run("trace", "traced@remote.example").output


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
