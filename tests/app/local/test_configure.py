import configparser
from pathlib import Path

import yaml

from app.local import configure
from app.local.places import ROOT, Places, sockets


def written(tmp_path: Path) -> configparser.RawConfigParser:
    places = Places(tmp_path)
    places.make_run()
    chosen = configure.values(places, smtp="127.0.0.1:1025", deliver_to="", plaintext_login=False)
    configure.write(places, chosen, sockets(1000))
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read(places.supervisor_configuration)
    return parser


def test_settings_are_read_as_they_were_written(tmp_path: Path):
    places = Places(tmp_path)
    places.make_run()
    chosen = configure.values(places, smtp="127.0.0.1:1025", deliver_to="127.0.0.1:5000", plaintext_login=True)
    settings = configure.write(places, chosen, sockets(1000))
    assert settings.run_dir == places.run and settings.data_dir == places.state
    assert settings.loopback == "127.0.0.1:5000" and settings.plaintext_login
    assert settings.simulate_failures and settings.loopback_account == "mailstead"


def test_a_bundle_may_check_and_refuse_as_a_host_does(tmp_path: Path):
    places = Places(tmp_path)
    places.make_run()
    chosen = configure.values(
        places,
        smtp="127.0.0.1:1025",
        deliver_to="",
        plaintext_login=False,
        resolver="127.0.0.1:53",
        dnsbl=("a.example", "b.example"),
        messages_per_minute=500,
        refuse_unknown=True,
    )
    settings = configure.write(places, chosen, sockets(1000))
    assert settings.resolver == "127.0.0.1:53" and settings.dnsbl_zones == "a.example b.example"
    assert settings.messages_per_minute == 500 and settings.loopback_account == ""


def test_every_row_of_the_table_is_a_program_that_is_launched(tmp_path: Path):
    parser = written(tmp_path)
    table = yaml.safe_load((ROOT / "roles/supervisor/defaults/main.yml").read_text())["supervisor_programs"]
    sections = {name.removeprefix("program:") for name in parser.sections() if name.startswith("program:")}
    assert sections == {row["name"] for row in table}
    for row in table:
        program = parser[f"program:{row['name']}"]
        assert f"-m listeners.launch --name {row['name']} " in program["command"]
        assert "--user" not in program["command"]
        assert (program["autorestart"], program["stopsignal"]) == ("true", "TERM")
        assert int(program["stopwaitsecs"]) == row["stop_seconds"]
        assert ("--count" in program["command"]) == (row["count"] > 1)
        for name in row["listen"]:
            for where in sockets(1000)[name]:
                assert f"--listen {name}={where}" in program["command"]


def test_supervisord_is_reached_by_its_owner_only(tmp_path: Path):
    parser = written(tmp_path)
    assert parser["unix_http_server"]["chmod"] == "0700"
    assert "inet_http_server" not in parser


def test_redis_has_no_port_and_refuses_to_forget_silently(tmp_path: Path):
    written(tmp_path)
    lines = (Places(tmp_path).run / "redis.conf").read_text().splitlines()
    for line in ("port 0", "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"):
        assert line in lines
