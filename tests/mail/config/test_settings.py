from dataclasses import fields
from pathlib import Path

import pytest

from mail.config import settings as config
from mail.config.settings import Settings, load, load_file, render
from mail.errors import Invalid

LEAST = 'hostname = "mx.example"\n'


def complaint(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        load(LEAST + text)
    return caught.value.public


def test_a_hostname_is_enough():
    settings = load(LEAST)
    assert settings.hostname == "mx.example"
    assert settings.queue_give_up_hours == 120
    # Features S02, and what the settings page says.
    assert settings.first_time_sender_delay == 15 and "| `first_time_sender_delay` | `15` |" in config.page()
    assert load(LEAST + "first_time_sender_delay = 0\n").first_time_sender_delay == 0
    assert settings.data_dir == Path("/var/lib/mailstead")


def test_without_a_hostname_it_says_so():
    with pytest.raises(Invalid) as caught:
        load("")
    assert caught.value.public == "missing setting: hostname"


def test_an_unknown_setting_is_named():
    assert complaint("quue_give_up_hours = 1\nzzz = 2") == "unknown setting: quue_give_up_hours, zzz"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('max_message_bytes = "1"', "setting max_message_bytes: '1' should be int"),
        ("max_message_bytes = true", "setting max_message_bytes: True should be int"),
        ("max_message_bytes = -1", "setting max_message_bytes: -1 should not be negative"),
        ("plaintext_login = 1", "setting plaintext_login: 1 should be bool"),
        ("data_dir = 5", "setting data_dir: 5 should be a path in quotes"),
        ('log_level = "loud"', "setting log_level: 'loud' should be one of debug, info, warning, error, critical"),
        ('tls_mx_cert = "/a.pem"', "settings tls_mx_cert and tls_mx_key: set both or neither"),
        ('smarthost = "mail.example"', "setting smarthost: 'mail.example' should be host:port"),
        (
            "nonsense",
            "the settings file is not TOML: Expected '=' after a key in a key/value pair (at line 2, column 9)",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_would_do(text: str, words: str):
    assert complaint(text).splitlines()[0] == words or complaint(text).startswith("the settings file is not TOML")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(Invalid) as caught:
        load_file(tmp_path / "none.toml")
    assert str(tmp_path / "none.toml") in caught.value.public


def test_what_is_rendered_is_read_back():
    values = {
        "hostname": "mx.example",
        "data_dir": Path("/somewhere/with space"),
        "plaintext_login": True,
        "max_message_bytes": 5,
        "smarthost_username": 'a"b\\c',
        "tls_mx_cert": "/c.pem",
        "tls_mx_key": "/k.pem",
    }
    settings = load(render(values))
    assert settings.data_dir == values["data_dir"] and settings.tls_mx_cert == Path("/c.pem")
    assert (settings.plaintext_login, settings.max_message_bytes) == (True, 5)
    assert settings.smarthost_username == 'a"b\\c'


def test_an_empty_certificate_is_none():
    assert load(LEAST + 'tls_mx_cert = ""\ntls_mx_key = ""').tls_mx_cert is None


def test_places_follow_from_the_folders():
    settings = load(LEAST + 'data_dir = "/d"\nrun_dir = "/r"')
    assert settings.database == "sqlite:////d/db/core.db"
    assert settings.database_lock == Path("/d/db/core.lock")
    assert settings.redis == "unix:///r/redis.sock"
    assert settings.routing_file == Path("/d/routing/routing.json")
    assert settings.keeper_socket == Path("/r/keeper.sock")


def test_postgresql_needs_no_gate():
    settings = load(LEAST + 'database_url = "postgresql+psycopg://db/mail"')
    assert settings.database == "postgresql+psycopg://db/mail"
    assert settings.database_lock is None


def test_the_page_has_every_setting_with_its_default():
    page = config.page()
    for one in fields(Settings):
        assert f"| `{one.name}` |" in page
    assert "| `hostname` | must be set |" in page
    assert '| `tls_mx_cert` | `""` |' in page
    assert "| `simulate_failures` | `false` |" in page
