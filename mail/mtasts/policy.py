"""The policy file: mode, hosts, life. Reading, matching, writing (RFC 8461 §3.2, §4.1)."""

import re
from dataclasses import dataclass

ENFORCE, TESTING, NONE = "enforce", "testing", "none"
# max_age: "plaintext non-negative integer seconds", a year at most.
MAX_AGE_MAX = 31_557_600
HOSTS_MAX = 200

# sts-policy-term = LF / CRLF; sts-policy-field = name ":" *WSP value
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_AGE = re.compile(r"[0-9]{1,10}")
FILE = "/.well-known/mta-sts.txt"


class BadPolicy(Exception):
    """Not a policy file: as if there were none (RFC 8461 §3.2)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`mx`: names of hosts, some beginning with `*.`, in lower case."""

    mode: str
    mx: tuple[str, ...]
    max_age: int

    @property
    def enforced(self) -> bool:
        return self.mode == ENFORCE

    def matches(self, host: str) -> bool:
        """May mail go to that exchanger. `*.` stands for exactly one label."""
        name = host.rstrip(".").lower()
        label, _, above = name.partition(".")
        return any(one == name or (bool(label and above) and one == f"*.{above}") for one in self.mx)

    def lines(self) -> tuple[str, ...]:
        """As the file has them, and TLS reports (RFC 8460 §4.4)."""
        hosts = [f"mx: {host}" for host in self.mx]
        return ("version: STSv1", f"mode: {self.mode}", *hosts, f"max_age: {self.max_age}")

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines())


def policy_url(domain: str, port: int = 443) -> str:
    return f"https://mta-sts.{domain}{f':{port}' if port != 443 else ''}{FILE}"


def parse_policy(octets: bytes) -> Policy:
    """BadPolicy says what is wrong. Fields nobody knows are passed over; of a field written twice the first counts."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPolicy("not UTF-8") from error
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadPolicy(f"no field: {line[:60]!r}")
        if match[1] == "mx":
            hosts.append(_host(match[2]))
        else:
            fields.setdefault(match[1], match[2])
    return _policy(fields, hosts)


def _policy(fields: dict[str, str], hosts: list[str]) -> Policy:
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if fields.get("version") != "STSv1":
        raise BadPolicy("its version is not STSv1")
    if mode not in (ENFORCE, TESTING, NONE):
        raise BadPolicy(f"its mode is {mode[:20]!r}")
    if not _AGE.fullmatch(age):
        raise BadPolicy("its max_age is no number")
    if mode != NONE and not hosts:
        raise BadPolicy("it names no host")
    if len(hosts) > HOSTS_MAX:
        raise BadPolicy(f"it names more than {HOSTS_MAX} hosts")
    return Policy(mode, tuple(dict.fromkeys(hosts)), min(int(age), MAX_AGE_MAX))


def _host(text: str) -> str:
    name = text.rstrip(".").lower()
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise BadPolicy(f"no host: {text[:60]!r}")
    return name
