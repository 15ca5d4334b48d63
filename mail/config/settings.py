"""Everything the host decides, with its default and its words, once.

Ansible (or `./serve`) writes mailstead.toml; docs/SETTINGS.md is printed from this file (`mailctl settings page`), and
a test fails while the two differ. Domains, accounts and addresses are not here: people edit those, so they live in the
store. Settings are read by `mail.runtime` and passed down as values; no module below the flows sees a `Settings`.
"""

import tomllib
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from mail.errors import Invalid
from mail.log import LEVELS


def setting(default: Any = MISSING, *, help: str) -> Any:
    """A field with its words."""
    if default is MISSING:
        return field(metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Settings:
    hostname: str = setting(help="Full host name, as in our greeting, our EHLO and our certificate.")
    data_dir: Path = setting(Path("/var/lib/mailstead"), help="The database, the blobs and the keys live below it.")
    run_dir: Path = setting(Path("/run/mailstead"), help="Sockets and lock files; may be empty after a restart.")
    log_dir: Path = setting(Path("/var/log/mailstead"), help="Log files, one a program.")
    log_level: str = setting("info", help="Least severity that is logged: debug, info, warning, error or critical.")
    database_url: str = setting("", help="PostgreSQL as postgresql+psycopg://…; empty: SQLite below data_dir.")
    redis_url: str = setting("", help="Wake-ups and change notices; empty: the Unix socket below run_dir.")
    resolver: str = setting(
        "127.0.0.1:53",
        help="The validating DNS resolver, host:port. Its AD bit is trusted on loopback. Empty: nothing is looked up.",
    )
    dnsbl_zones: str = setting("", help="DNS block lists that refuse listed clients nobody knows, with spaces between.")
    dnsbl_local_clients: bool = setting(
        False, help="Local bundle: ask the block lists about clients on loopback and private addresses too."
    )
    refuse_unreachable_senders: bool = setting(
        True, help="Refuse mail whose sender is at a domain without MX and address records, or with a null MX."
    )
    first_time_sender_delay: int = setting(
        15, help="Seconds that a message waits whose sender nobody knows, before we take it. 0: none."
    )
    messages_per_minute: int = setting(
        500,
        help="Messages an account takes from one address a minute, 20 times that a day; its networks 3 and 9 times.",
    )
    store_dmarc_evaluations: bool = setting(True, help="Keep what aggregate reports to senders' domains are made of.")
    store_tls_results: bool = setting(True, help="Keep what TLS reports to others' domains are made of.")
    max_message_bytes: int = setting(100 * 2**20, help="Largest message we take, in octets. RFC 1870.")
    recipients_max: int = setting(
        1000, help="Most recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100."
    )
    connections_per_address: int = setting(
        30, help="Open connections of one address; its networks may have 3 and 9 times."
    )
    connections_per_minute: int = setting(
        300, help="New connections of one address a minute; its networks 3 and 9 times."
    )
    tls_mx_cert: Path | None = setting(None, help="Certificate chain (PEM) of port 25; empty: no STARTTLS there.")
    tls_mx_key: Path | None = setting(None, help="The key (PEM) of that certificate.")
    tls_client_cert: Path | None = setting(None, help="Certificate chain (PEM) of submission and IMAP.")
    tls_client_key: Path | None = setting(None, help="The key (PEM) of that certificate.")
    dkim_dir: Path | None = setting(None, help="Private DKIM keys, readable by sign alone; empty: below data_dir.")
    dkim_overlap_days: int = setting(
        14, help="How long a replaced DKIM key's record stays published. Signatures are valid for 7 days."
    )
    dkim_messages_per_minute: int = setting(30_000, help="Most messages that are signed for one domain in a minute.")
    plaintext_login: bool = setting(
        False, help="Allow AUTH and LOGIN without TLS from loopback. For measurements only."
    )
    free_space_reserve_bytes: int = setting(1 << 30, help="Below this much free disk we take no mail (452).")
    free_space_reserve_percent: int = setting(5, help="The same as a part of the disk; the larger of both counts.")
    queue_give_up_hours: int = setting(120, help="Bounce what is still deferred after this long.")
    queue_delay_notice_hours: int = setting(4, help="Tell the sender once when a message is deferred this long.")
    deliver_concurrency: int = setting(50, help="Destinations one delivery worker serves at a time.")
    smarthost: str = setting("", help="Send everything to this host:port; empty: to each domain's own mail exchangers.")
    smarthost_username: str = setting("", help="Log in there as; empty: without.")
    smarthost_password_file: str = setting("", help="A file with the password for it.")
    private_destinations: bool = setting(False, help="Deliver to loopback and private addresses too.")
    fetch_internal_hosts: str = setting(
        "", help="Names that may be fetched from (https) though their addresses are private, with spaces between."
    )
    trace_days: int = setting(30, help="How long the trace of a message is kept.")
    loopback: str = setting("", help="Local bundle: everything outgoing goes to this host:port.")
    loopback_account: str = setting("", help="Local bundle: this account takes mail for unknown recipients.")
    simulate_failures: bool = setting(
        False, help="Local bundle: localparts such as x451 or permerror simulate failures."
    )
    web_workers: int = setting(1, help="Processes of the web application.")
    web_threads: int = setting(8, help="Threads of each.")

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir}/db/core.db"

    @property
    def database_lock(self) -> Path | None:
        return None if self.database_url else self.data_dir / "db/core.lock"

    @property
    def redis(self) -> str:
        return self.redis_url or f"unix://{self.run_dir}/redis.sock"

    @property
    def blobs_dir(self) -> Path:
        return self.data_dir / "blobs"

    @property
    def auth_database(self) -> str:
        return f"sqlite:///{self.data_dir}/auth/auth.db"

    @property
    def auth_lock(self) -> Path:
        return self.data_dir / "auth/auth.lock"

    @property
    def routing_file(self) -> Path:
        return self.data_dir / "routing/routing.json"

    @property
    def ticket_key(self) -> Path:
        return self.data_dir / "keys/ticket.key"

    @property
    def subject_pass_key(self) -> Path:
        return self.data_dir / "keys/subject-pass.key"

    @property
    def srs_key(self) -> Path:
        return self.data_dir / "keys/srs.key"

    @property
    def dkim_keys(self) -> Path:
        return self.dkim_dir or self.data_dir / "keys/dkim"

    @property
    def keeper_socket(self) -> Path:
        return self.run_dir / "keeper.sock"

    @property
    def auth_socket(self) -> Path:
        return self.run_dir / "auth.sock"

    @property
    def sign_socket(self) -> Path:
        return self.run_dir / "sign.sock"

    @property
    def metrics_dir(self) -> Path:
        return self.run_dir / "metrics"

    @property
    def workers_dir(self) -> Path:
        return self.run_dir / "workers"


def _typed(one: "Field[Any]", value: Any) -> Any:
    kind = one.type
    if kind in (Path, Path | None):
        if not isinstance(value, str):
            raise Invalid(public=f"setting {one.name}: {value!r} should be a path in quotes")
        return Path(value) if value or kind is Path else None
    assert isinstance(kind, type)
    if type(value) is not kind:
        raise Invalid(public=f"setting {one.name}: {value!r} should be {kind.__name__}")
    return value


def load(text: str) -> Settings:
    """The settings of a TOML text. Invalid names the setting that is unknown, missing or of the wrong type."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(public=f"the settings file is not TOML: {error}") from error
    known = {one.name: one for one in fields(Settings)}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise Invalid(public=f"unknown setting: {', '.join(unknown)}")
    missing = [name for name, one in known.items() if one.default is MISSING and name not in given]
    if missing:
        raise Invalid(public=f"missing setting: {', '.join(missing)}")
    settings = Settings(**{name: _typed(known[name], value) for name, value in given.items()})
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """What types do not say. Invalid names the setting and what would do."""
    if not settings.hostname:
        raise Invalid(public="setting hostname: must not be empty")
    if settings.log_level not in LEVELS:
        raise Invalid(public=f"setting log_level: {settings.log_level!r} should be one of {', '.join(LEVELS)}")
    for one in fields(Settings):
        value = getattr(settings, one.name)
        if isinstance(value, int) and value < 0:
            raise Invalid(public=f"setting {one.name}: {value} should not be negative")
    for certificate in ("tls_mx", "tls_client"):
        if (getattr(settings, f"{certificate}_cert") is None) != (getattr(settings, f"{certificate}_key") is None):
            raise Invalid(public=f"settings {certificate}_cert and {certificate}_key: set both or neither")
    for name in ("resolver", "smarthost", "loopback"):
        where = getattr(settings, name)
        if where and not where.rpartition(":")[2].isdecimal():
            raise Invalid(public=f"setting {name}: {where!r} should be host:port")


def load_file(path: Path) -> Settings:
    try:
        return load(path.read_text())
    except OSError as error:
        raise Invalid(public=f"cannot read the settings file {path}: {error.strerror}") from error


def render(values: dict[str, Any]) -> str:
    """A settings file with those values; for `./serve`."""
    lines = []
    for name, value in values.items():
        if isinstance(value, bool):
            shown = "true" if value else "false"
        elif isinstance(value, int):
            shown = str(value)
        else:
            shown = '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines.append(f"{name} = {shown}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/SETTINGS.md."""
    lines = [
        "# Settings",
        "",
        "Every name of `/etc/mailstead/mailstead.toml`, printed by `mailctl settings page`.",
        "",
        "| setting | default | what it decides |",
        "|---|---|---|",
    ]
    for one in fields(Settings):
        default = "must be set" if one.default is MISSING else f"`{_shown(one.default)}`"
        lines.append(f"| `{one.name}` | {default} | {one.metadata['help']} |")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    return '""' if default in ("", None) else str(default)
