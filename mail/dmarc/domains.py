"""Which domains belong to one organization: by the public suffix list, and by the DNS Tree Walk.

    organizational_domain("mail.example.co.uk") == "example.co.uk"    the list alone, at once: reputation, rates
    await TreeWalk(resolver).walk("mail.example.co.uk")               the DMARC records from a name upwards

How the two combine for DMARC (`Walk.organizational_domain`): the walk decides (RFC 9989 §4.10.2), with two exceptions.

1. Where it found no record, or could not ask, the list decides, as in RFC 7489 §3.2.
2. An organizational domain is never a public suffix of the list, unless its own record says psd=n. RFC 9989 leaves it
   to each suffix to say psd=y; one that publishes a record and forgets it would make all its customers one
   organization, who could then sign for each other.

The list is the one in the publicsuffixlist package, read here: the package's own reader takes 100 times as long. Rules
are kept as they are written, in U-labels, and names are compared in that form. RFC 5891 (A-labels and U-labels).
"""

from dataclasses import dataclass
from functools import lru_cache

import publicsuffixlist

from mail.address import DOMAIN_OCTETS, parse_domain
from mail.dmarc.record import Record, parse_record
from mail.dns.resolver import LookupFailed, NoRecords, Resolver
from mail.errors import BadAddress

# RFC 9989 §4.10: at most eight questions a walk, so a longer name jumps to its last seven labels.
WALK_LABELS = 7
# Of all walks for one message (security MA-3).
LOOKUPS_MAX = 24


def _load() -> frozenset[str]:
    with open(publicsuffixlist.PSLFILE, encoding="utf-8") as listed:
        lines = listed.read().split("\n")
    return frozenset(line for line in lines if line and not line.startswith("//"))


# Read at import, so that processes forked afterwards share it: 6 ms, 1.2 MB.
_RULES = _load()
_DEPTH = max(rule.count(".") for rule in _RULES) + 1


@lru_cache(maxsize=4096)
def public_suffix(name: str) -> str:
    """The part of a domain name under which anybody may register, as A-labels; what is no name is its own suffix."""
    try:
        name = parse_domain(name, strict=False)
    except BadAddress:
        return name
    labels = name.split(".")
    written = [_u_label(label) for label in labels] if "xn--" in name else labels
    for at in range(max(0, len(labels) - _DEPTH), len(labels)):
        rule = ".".join(written[at:])
        above = rule.partition(".")[2]
        if f"!{rule}" in _RULES:
            return ".".join(labels[at + 1 :])
        if rule in _RULES or f"*.{above}" in _RULES:
            return ".".join(labels[at:])
    # The rule that always is: "*".
    return labels[-1]


@lru_cache(maxsize=4096)
def organizational_domain(name: str) -> str:
    """By the list alone: the public suffix and one label, as A-labels; a suffix is its own. Never raises."""
    try:
        name = parse_domain(name, strict=False)
    except BadAddress:
        return name
    return _labels_more(name, public_suffix(name))


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (ValueError, OverflowError):
        return label


def _labels_more(name: str, parent: str) -> str:
    """The parent of the name that has one label more than `parent`; the name itself when it has no more."""
    return ".".join(name.split(".")[-parent.count(".") - 2 :])


@dataclass(frozen=True, slots=True)
class Published:
    """A DMARC record where it was found; `secure`: DNSSEC says so."""

    domain: str
    text: str
    record: Record
    secure: bool


@dataclass(frozen=True, slots=True)
class Walk:
    """The records found from `domain` upwards, longest name first. `failed`: the walk ended at a name that could not
    be asked, and there may be more.
    """

    domain: str
    found: tuple[Published, ...]
    failed: bool

    @property
    def organizational_domain(self) -> str:
        """A guess by the list when the walk failed."""
        by_list = organizational_domain(self.domain)
        if self.failed or not self.found:
            return by_list
        chosen = self.found[-1].domain
        for one in self.found:
            if one.record.psd == "n":
                return one.domain
            if one.record.psd == "y" and one.domain != self.domain:
                chosen = _labels_more(self.domain, one.domain)
                break
        return by_list if public_suffix(chosen) == chosen else chosen

    @property
    def policy(self) -> Published | None:
        """The record that applies: the domain's own, else its organization's, else that of the suffix (RFC 9989
        §4.10.1). None when there is none; not to be asked of a walk that failed and has no record of the domain itself.
        """
        organization = self.organizational_domain
        for one in self.found:
            if one.domain in (self.domain, organization):
                return one
        return self.found[-1] if self.found else None


class TreeWalk:
    """The walks for one message; no name is asked twice."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._answers: dict[str, Published | LookupFailed | None] = {}

    @property
    def lookups(self) -> int:
        return len(self._answers)

    @property
    def exhausted(self) -> bool:
        """Walks fail from now on, for the sender's own doing."""
        return len(self._answers) >= LOOKUPS_MAX

    async def walk(self, domain: str) -> Walk:
        """Walk up from a domain (A-labels). Never raises."""
        labels = domain.split(".")
        found: list[Published] = []
        while labels:
            name = ".".join(labels)
            answer = await self._ask(name)
            if isinstance(answer, LookupFailed):
                return Walk(domain, tuple(found), failed=True)
            if answer is not None:
                found.append(answer)
                # RFC 9989 §4.10, steps 2 and 6: psd=y says something about the names below it only.
                if answer.record.psd == "n" or (answer.record.psd == "y" and name != domain):
                    break
            labels = labels[-WALK_LABELS:] if len(labels) > WALK_LABELS else labels[1:]
        return Walk(domain, tuple(found), failed=False)

    async def _ask(self, name: str) -> Published | LookupFailed | None:
        if name not in self._answers:
            if self.exhausted:
                return LookupFailed(f"too many questions for one message: _dmarc.{name}")
            self._answers[name] = await _lookup(self._resolver, name)
        return self._answers[name]


async def _lookup(resolver: Resolver, name: str) -> Published | LookupFailed | None:
    question = f"_dmarc.{name}"
    if len(question) > DOMAIN_OCTETS:
        # Known without asking. A failure would be temporary, and who failed so could not be refused.
        return None
    try:
        answer = await resolver.lookup(question, "TXT")
    except NoRecords:
        return None
    except LookupFailed as error:
        return error
    parsed = [(text, record) for text in answer.records if (record := parse_record(text)) is not None]
    # RFC 9989 §4.10: of several records none counts.
    return Published(name, *parsed[0], answer.secure) if len(parsed) == 1 else None
