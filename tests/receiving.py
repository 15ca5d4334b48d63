"""A host that checks arriving mail, for tests that drive it from outside: its people, its DNS, strangers who write.

Strangers come from networks of their own, under names of their own: what one test teaches the host about its stranger
is nothing to another, and no test waits until an answer of the DNS is forgotten.
"""

import contextlib
import itertools
import json
import os
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dkim
from click.testing import CliRunner
from imapclient import IMAPClient

from app.cli.commands import mailctl
from mail.accounts.snapshot import LOOK_SECONDS
from mail.config import settings as config
from mail.config.settings import Settings
from mail.store import evaluations
from mail.store.engine import Store
from mail.store.evaluations import Evaluation
from tests.bundle import ROOT, Bundle, running_bundle
from tests.dkim_signer import record, rsa_key, rsa_pem

PASSWORD = "correct horse battery"
KEY = record(rsa_key())
NUMBERS = itertools.count(1)

Zone = dict[str, Any]


class Dns:
    """What the world says; `add` and it says more. An address of loopback has a name that leads back, unless one adds
    another.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "zone.json"
        self._zone: Zone = {"": ["LOOPBACK"]}
        self.add({})
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def add(self, names: Zone) -> None:
        self._zone |= names
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._zone))
        os.replace(part, self._path)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = [sys.executable, str(ROOT / "tests/dns_server.py"), str(self._path), self.address.rpartition(":")[2]]
        with subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None and server.stdout.readline() == b"listening\n"
            try:
                yield
            finally:
                server.terminate()


def text(*strings: str) -> list[dict[str, str]]:
    return [{"TXT": one} for one in strings]


@dataclass(frozen=True)
class Reply:
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    def begins(self, *words: str) -> bool:
        return str(self).startswith(words)


@dataclass(frozen=True)
class Kept:
    """A message as IMAP shows it."""

    uid: int
    flags: frozenset[str]
    octets: bytes

    def values(self, name: str) -> list[str]:
        """Of the fields with that name, unfolded, in order."""
        header = self.octets.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
        fields = (line.partition(b":") for line in header.split(b"\r\n"))
        return [
            value.decode("utf-8", "replace").strip() for key, _, value in fields if key.decode().lower() == name.lower()
        ]

    @property
    def results(self) -> str:
        """Our Authentication-Results."""
        return self.values("Authentication-Results")[0]

    @property
    def reason(self) -> str:
        return self.values("X-Mailstead-Reason")[0]


@dataclass(frozen=True)
class Stranger:
    """Someone elsewhere who writes to us: his domain, his address, where he connects from."""

    host: "Host"
    domain: str
    ip: str

    @property
    def address(self) -> str:
        return f"ann@{self.domain}"

    def message(self, to: str, subject: str = "Hello", body: str = "Some words.", **fields: str) -> bytes:
        """With a Message-ID of its own; `fields` replace and add, an underscore is a hyphen."""
        said = {
            "From": f"Ann <{self.address}>",
            "To": to,
            "Subject": subject,
            "Date": "Mon, 01 Jan 2024 01:02:03 +0000",
            "Message-ID": f"<{next(NUMBERS)}@{self.domain}>",
        } | {name.replace("_", "-"): value for name, value in fields.items()}
        header = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
        return f"{header}\r\n{body}\r\n".encode()

    def sign(self, message: bytes, domain: str = "", **options: Any) -> bytes:
        name = (domain or self.domain).encode()
        options = {"include_headers": [b"from", b"to", b"subject", b"date", b"message-id"]} | options
        return dkim.sign(message, b"sel", name, rsa_pem(), **options) + message

    def send(self, message: bytes, *to: str, mail_from: str | None = None, **options: Any) -> Reply:
        """By a connection of its own."""
        return self.host.send(
            message, *to, mail_from=self.address if mail_from is None else mail_from, ip=self.ip, **options
        )

    def write(self, to: str, subject: str = "Hello", body: str = "Some words.", **fields: str) -> Reply:
        """A message of his, in one breath."""
        return self.send(self.message(to, subject, body, **fields), to)


@dataclass
class Host:
    """The running bundle with its DNS. Every process of it knows of other addresses a second after they were changed,
    which whoever connects waits for; of all else at once.
    """

    bundle: Bundle
    dns: Dns
    _known: set[str] = field(default_factory=set)
    _changed: float = 0.0

    @property
    def settings(self) -> Settings:
        return config.load_file(self.bundle.folder / "mailstead.toml")

    def mailctl(self, *words: str, input: str | None = None) -> Any:
        """mailctl, in this process because it is asked so often."""
        result = CliRunner().invoke(mailctl, ["--dir", str(self.bundle.folder), *words, "--json"], input=input)
        if result.exception is not None:
            raise result.exception
        if words[0] in ("domain", "dkim", "account", "address", "alias") and words[:2] != ("account", "set"):
            self._changed = time.monotonic()
        return json.loads(result.stdout)

    def wait_for_changes(self) -> None:
        """Until listeners must have seen new addresses and keys: what they promise is a time, so that is waited for."""
        while (left := self._changed + LOOK_SECONDS - time.monotonic()) > 0:
            time.sleep(left)

    def account(self, name: str, *addresses: str, **rules: str) -> str:
        """A new account with its addresses, the domains made where they are new, and `account set`'s options; the first
        address, by default NAME@here.example.
        """
        addresses = addresses or (f"{name}@here.example",)
        for domain in {one.rpartition("@")[2] for one in addresses} - self._known:
            self.mailctl("domain", "add", domain)
            self._known.add(domain)
        self.mailctl("account", "add", name)
        for one in addresses:
            self.mailctl("address", "add", one, name)
        self.mailctl("account", "password", name, "--password-stdin", input=PASSWORD + "\n")
        if rules:
            options = [f"--{rule.replace('_', '-')}={value}" for rule, value in rules.items()]
            self.mailctl("account", "set", name, *(one.removesuffix("=") for one in options))
        return addresses[0]

    def stranger(self, *, policy: str = "", spf: str = "{ip} -all", key: bool = True, iprev: bool = True) -> Stranger:
        """Somebody new. `policy`: of DMARC, and what else his record has; `spf`: mechanisms, "" for no record."""
        number = next(NUMBERS)
        ip, domain = f"127.{20 + number // 30}.{number % 30 * 8}.7", f"d{number}.example"
        zone: Zone = {domain: [{"A": ip}, {"MX": [0, domain]}]}
        if spf:
            zone[domain] += text("v=spf1 " + spf.format(ip=f"ip4:{ip}"))
        if key:
            zone[f"sel._domainkey.{domain}"] = text(KEY)
        if policy:
            zone[f"_dmarc.{domain}"] = text(f"v=DMARC1; p={policy}")
        if not iprev:
            zone[".".join(reversed(ip.split("."))) + ".in-addr.arpa"] = [{"PTR": "elsewhere.example."}]
        self.dns.add(zone)
        return Stranger(self, domain, ip)

    def smtp(self, ip: str = "127.0.0.1", *, tls: bool = True, helo: str = "client.example") -> smtplib.SMTP:
        self.wait_for_changes()
        client = smtplib.SMTP(*self.bundle.address("smtp"), helo, timeout=60, source_address=(ip, 0))
        client.ehlo()
        if tls:
            client.starttls(context=self.bundle.tls)
            client.ehlo()
        return client

    def send(
        self, message: bytes, *to: str, mail_from: str, ip: str, tls: bool = True, helo: str = "client.example"
    ) -> Reply:
        """The reply to the message, or to the first command that was refused."""
        client = self.smtp(ip, tls=tls, helo=helo)
        try:
            options = ["SMTPUTF8"] if not (mail_from + "".join(to)).isascii() else []
            if options:
                client.command_encoding = "utf-8"
            code, words = client.mail(mail_from, options)
            for one in to:
                if code == 250:
                    code, words = client.rcpt(one)
            if code == 250:
                code, words = client.data(message)
            return Reply(code, words.decode())
        except smtplib.SMTPDataError as error:
            return Reply(error.smtp_code, error.smtp_error.decode())
        finally:
            client.close()

    @contextlib.contextmanager
    def imap(self, account: str) -> Iterator[IMAPClient]:
        self.wait_for_changes()
        host, port = self.bundle.address("imaps")
        with IMAPClient(host, port, ssl_context=self.bundle.tls, timeout=60) as client:
            own = account == self.bundle.ready["account"].partition("@")[0]
            client.login(account, self.bundle.ready["password"] if own else PASSWORD)
            yield client

    def kept(self, account: str, mailbox: str = "INBOX") -> list[Kept]:
        """What is in a mailbox; nothing where there is no such mailbox."""
        with self.imap(account) as client:
            if not client.folder_exists(mailbox):
                return []
            client.select_folder(mailbox, readonly=True)
            found = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"])
            return [
                Kept(uid, frozenset(flag.decode() for flag in one[b"FLAGS"]), one[b"BODY[]"])
                for uid, one in sorted(found.items())
            ]

    def append(self, account: str, mailbox: str, *messages: bytes) -> None:
        """By IMAP, as a mail program files what was sent."""
        with self.imap(account) as client:
            for one in messages:
                client.append(mailbox, one)

    def wrote_to(self, account: str, address: str) -> None:
        """The owner has written to somebody, as the Sent mailbox shows."""
        self.append(account, "Sent", f"To: {address}\r\nSubject: hello\r\n\r\nHello.\r\n".encode())

    def mark(self, account: str, keyword: str, uid: int, mailbox: str = "INBOX") -> None:
        """With $Junk or $NotJunk, as a mail program does."""
        with self.imap(account) as client:
            client.select_folder(mailbox)
            client.add_flags([uid], [keyword])

    def move(self, account: str, source: str, target: str, uid: int) -> None:
        with self.imap(account) as client:
            client.select_folder(source)
            client.move([uid], target)

    def trace(self, address: str) -> list[dict[str, Any]]:
        """Newest first."""
        rows: list[dict[str, Any]] = self.mailctl("trace", address)
        return rows

    def reason(self, address: str) -> str:
        """Why the newest message to that address was taken or refused."""
        return str(self.trace(address)[0]["reason"])

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """For what no protocol shows, and for travel in time."""
        store = Store.open(self.settings.database, lock=self.settings.database_lock)
        try:
            yield store
        finally:
            store.close()

    def evaluations(self, domain: str) -> list[Evaluation]:
        """What the aggregate reports to that domain will be made of."""
        with self.store() as store, store.read() as connection:
            return evaluations.of_domain(connection, domain, 1 << 60)


@contextlib.contextmanager
def running_host(folder: Path, *options: str) -> Iterator[Host]:
    """A bundle that asks a DNS of its own about strangers and does not let them wait, unless the options say so."""
    dns = Dns(folder)
    with dns.running(), running_bundle(folder, "--resolver", dns.address, *options) as bundle:
        yield Host(bundle, dns, {"localhost"})
