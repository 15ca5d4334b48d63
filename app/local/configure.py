"""What a local bundle runs on: settings, supervisord's and Redis's configuration, from the role's own templates."""

import socket
import sys
from typing import Any

import jinja2
import yaml

from app.local.places import ACCOUNT, ROOT, Places
from mail.config import settings as config
from mail.config.settings import Settings

ROLE = ROOT / "roles/supervisor"


# Whoever tries it sends everything from one address.
MESSAGES_A_MINUTE = 1_000_000


def values(
    places: Places,
    *,
    smtp: str,
    deliver_to: str,
    plaintext_login: bool,
    resolver: str = "",
    dnsbl: tuple[str, ...] = (),
    delay: int = 0,
    messages_per_minute: int = MESSAGES_A_MINUTE,
    refuse_unknown: bool = False,
) -> dict[str, Any]:
    """The settings of a local bundle."""
    hostname = socket.gethostname()
    keys = places.state / "keys"
    return {
        "hostname": hostname if "." in hostname else "localhost",
        "data_dir": places.state,
        "run_dir": places.run,
        "log_dir": places.log,
        "tls_mx_cert": keys / "server.pem",
        "tls_mx_key": keys / "server.key",
        "tls_client_cert": keys / "server.pem",
        "tls_client_key": keys / "server.key",
        "resolver": resolver,
        "dnsbl_zones": " ".join(dnsbl),
        "dnsbl_local_clients": True,
        "first_time_sender_delay": delay,
        "messages_per_minute": messages_per_minute,
        "plaintext_login": plaintext_login,
        "free_space_reserve_bytes": 64 << 20,
        "free_space_reserve_percent": 0,
        "private_destinations": True,
        "loopback": deliver_to or smtp,
        "loopback_account": "" if refuse_unknown else ACCOUNT,
        "simulate_failures": True,
        "trace_days": 3,
    }


def write(places: Places, settings_values: dict[str, Any], sockets: dict[str, list[str]]) -> Settings:
    """Write all three files; returns the settings as they will be read."""
    places.settings.write_text(config.render(settings_values))
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    variables = {
        **defaults,
        "supervisor_run_dir": places.run,
        "supervisor_log_dir": places.log,
        "supervisor_data_dir": places.state,
        "supervisor_release_dir": ROOT,
        "supervisor_settings_file": places.settings,
        "supervisor_python": sys.executable,
        "supervisor_sockets": sockets,
        "supervisor_drop_users": False,
    }
    loader = jinja2.FileSystemLoader(ROLE / "templates")
    # Configuration files, not pages: nothing here is HTML.
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)
    for name in ("supervisord.conf", "redis.conf"):
        (places.run / name).write_text(environment.get_template(f"{name}.j2").render(variables))
    return config.load_file(places.settings)
