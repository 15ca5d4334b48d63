"""What the owner's own marks say about the sender of a message: junk, ham, or nothing.

    who is it                  how far back          how many      decides alone when
    the author's address       3 years               2             the author is validated
    we wrote to it             3 years               -             always
    the author's domain        2 years               20            over 80 % ham, or junk of 3 authors
    we wrote to it             2 years               -             always
    (both again for the organizational domain)
    DKIM domains, SPF sender   half a year           50 each       ham, or more than one junk
    IP and its two networks    a quarter             50            at least 2, 5, 10 that agree

The first line with a past decides; features B06 has the numbers. Only messages count that were marked as junk or not
junk and that came, or would have come, into the same mailbox: the store sees to that and answers `keys`.
"Validated" is an author whose domain is proved by aligned SPF or DKIM: a forged author neither gains by the good name
of the true one nor harms it.
"""

from dataclasses import dataclass

from mail.accounts.failures import networks
from mail.address import canonical
from mail.policy.facts import History, Key, MessageFacts, Past, is_within

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS

HAM, JUNK = "ham", "junk"
VALIDATED, UNVALIDATED = "validated", "unvalidated"

# kind: (how long it counts, how many of the newest count)
LIMITS: dict[str, tuple[int, int]] = {
    "from-validated": (3 * YEAR_MS, 2),
    "from-unvalidated": (3 * YEAR_MS, 2),
    "to": (3 * YEAR_MS, 1),
    "domain-validated": (2 * YEAR_MS, 20),
    "domain-unvalidated": (2 * YEAR_MS, 20),
    "to-domain": (2 * YEAR_MS, 1),
    "org-validated": (2 * YEAR_MS, 20),
    "org-unvalidated": (2 * YEAR_MS, 20),
    "to-org": (2 * YEAR_MS, 1),
    "dkim": (YEAR_MS // 2, 50),
    "spf-address": (YEAR_MS // 2, 50),
    "spf-domain": (YEAR_MS // 2, 50),
    "spf-ehlo": (YEAR_MS // 2, 50),
    "ip1": (YEAR_MS // 4, 50),
    "ip2": (YEAR_MS // 4, 50),
    "ip3": (YEAR_MS // 4, 50),
}

# network: how many messages must agree
IP_ENOUGH = {"ip1": 2, "ip2": 5, "ip3": 10}
DKIM_DOMAINS_MAX = 10
DOMAIN_HAM_PERCENT = 80  # must be exceeded
JUNK_AUTHORS = 3


@dataclass(frozen=True, slots=True)
class Reputation:
    """`verdict` is ham, junk, or None for mixed signals or none; `conclusive`: it decides alone."""

    verdict: str | None
    conclusive: bool
    method: str
    explanation: str

    @property
    def is_weak(self) -> bool:
        """Nothing was known about the author, at most about the machines on the way."""
        return self.method in ("dkimspf", "ip1", "ip2", "ip3", "none")


NOTHING = Reputation(None, False, "none", "nothing is known about the sender")


def folded(address: str) -> str:
    """An address as the keys have it: people write the same one in capitals and without."""
    localpart, _, domain = address.rpartition("@")
    return f"{canonical(localpart, separators='', case_sensitive=False)}@{domain.lower()}"


def keys_of_message(message: MessageFacts, forwarder: str = "") -> tuple[Key, ...]:
    """The keys under which the message is filed once it is marked as junk or not junk.

    `forwarder` is the verified domain of an IsForward ruleset. What a forwarder passes on is not its fault: its
    networks, its names and its signatures are not among the keys.
    """
    found = _author_keys(message, VALIDATED if message.from_validated else UNVALIDATED)
    found += _signer_keys(message, forwarder)
    if not forwarder:
        found += _spf_keys(message)
        found += _network_keys(message)
    return tuple(found)


def keys(message: MessageFacts, forwarder: str = "") -> tuple[Key, ...]:
    """The keys whose past `judge` wants to know; `LIMITS` says how much of it."""
    found = [*keys_of_message(message, forwarder)]
    if message.author:
        if not message.from_validated:
            found += _author_keys(message, VALIDATED)
        found += keys_of_recipient(message.author, message.org_domain)
    return tuple(found)


def keys_of_recipient(address: str, org_domain: str) -> tuple[Key, ...]:
    """The keys under which is filed that the owner wrote to somebody."""
    address = folded(address)
    return (Key("to", address), Key("to-domain", address.rpartition("@")[2]), Key("to-org", org_domain))


def _author_keys(message: MessageFacts, state: str) -> list[Key]:
    if not message.author:
        return []
    names = (("from", folded(message.author)), ("domain", message.from_domain), ("org", message.org_domain))
    return [Key(f"{kind}-{state}", name) for kind, name in names]


def _signer_keys(message: MessageFacts, forwarder: str) -> list[Key]:
    domains = [one for one in message.signers if not forwarder or not is_within(one, forwarder)]
    return [Key("dkim", domain) for domain in domains[:DKIM_DOMAINS_MAX]]


def _spf_keys(message: MessageFacts) -> list[Key]:
    """Who answers for the sending, from the narrowest: the first with a past is asked."""
    if message.spf != "pass":
        return []
    if message.spf_identity == "helo":
        return [Key("spf-ehlo", message.spf_domain)]
    return [Key("spf-address", folded(message.mail_from)), Key("spf-domain", message.spf_domain)]


def _network_keys(message: MessageFacts) -> list[Key]:
    return [Key(kind, network) for kind, network in zip(IP_ENOUGH, networks(message.ip), strict=True)]


class _Memory:
    """The history as of a moment: what is too old or one too many is forgotten."""

    def __init__(self, history: History, now_ms: int) -> None:
        self._history = history
        self._now_ms = now_ms

    def of(self, key: Key) -> tuple[Past, ...]:
        longest, count = LIMITS[key.kind]
        since = self._now_ms - longest
        return tuple(one for one in self._history.get(key, ()) if one.at_ms >= since)[:count]


def judge(history: History, message: MessageFacts, now_ms: int, forwarder: str = "") -> Reputation:
    """The reputation of the sender by the owner's marks; `history` is what is filed under `keys`, the newest first."""
    memory = _Memory(history, now_ms)
    if message.author:
        judgement = (
            _by_address(memory, message)
            or _by_domain(memory, message, "domain", message.from_domain)
            or _by_domain(memory, message, "org", message.org_domain)
        )
        if judgement is not None:
            return judgement
    judgement = _by_identities(memory, message, forwarder)
    if judgement is None and not forwarder:
        judgement = _by_network(memory, message)
    return judgement or NOTHING


def _by_address(memory: _Memory, message: MessageFacts) -> Reputation | None:
    address = folded(message.author)
    state = VALIDATED if message.from_validated else UNVALIDATED
    if past := memory.of(Key(f"from-{state}", address)):
        junk = _is_spam(past)
        words = f"the last {state} mail from {message.author} was marked as {JUNK if junk else 'good'}"
        return Reputation(JUNK if junk else HAM, message.from_validated, "msgfromfull", words)
    if not message.from_validated and (past := memory.of(Key(f"from-{VALIDATED}", address))):
        words = f"earlier mail from {message.author} was validated, and this is not"
        return Reputation(JUNK, _is_spam(past), "msgfromfull", words)
    if memory.of(Key("to", address)):
        return Reputation(HAM, True, "msgtofull", f"you have written to {message.author}")
    return None


def _by_domain(memory: _Memory, message: MessageFacts, kind: str, domain: str) -> Reputation | None:
    """The author's domain, or with `kind` "org" its organizational domain."""
    state = VALIDATED if message.from_validated else UNVALIDATED
    method = "msgfromdomain" if kind == "domain" else "msgfromorgdomain"
    if past := memory.of(Key(f"{kind}-{state}", domain)):
        ham = sum(not one.junk for one in past)
        words = f"of the last {len(past)} {state} messages from {domain}, {ham} were good"
        if ham * 100 > DOMAIN_HAM_PERCENT * len(past):
            return Reputation(HAM, True, method, words)
        if ham:
            return Reputation(None, False, method, words)
        authors = len({one.localpart for one in past})
        return Reputation(JUNK, authors >= JUNK_AUTHORS, method, f"{words}; they had {authors} author(s)")
    if not message.from_validated and (past := memory.of(Key(f"{kind}-{VALIDATED}", domain))):
        words = f"earlier mail from {domain} was validated, and this is not"
        return Reputation(JUNK, _is_spam(past), method, words)
    if memory.of(Key(f"to-{kind}", domain)):
        return Reputation(HAM, True, method.replace("from", "to"), f"you have written to somebody at {domain}")
    return None


def _by_identities(memory: _Memory, message: MessageFacts, forwarder: str) -> Reputation | None:
    """The domains that signed, and whoever SPF says sent it. A share between the two signals is none."""
    known = [(key, past) for key in _signer_keys(message, forwarder) if (past := memory.of(key))]
    if not forwarder:
        known += [(key, past) for key in _spf_keys(message) if (past := memory.of(key))][:1]
    if not known:
        return None
    ham = [key for key, past in known if _junk_share(past) < 0.1]
    junk = [(key, past) for key, past in known if _junk_share(past) > 0.9]
    words = "; ".join(
        f"{sum(one.junk for one in past)} of {len(past)} from {key.text} were junk" for key, past in known
    )
    if ham and not junk:
        return Reputation(HAM, True, "dkimspf", words)
    if junk and not ham:
        return Reputation(JUNK, max(len(past) for _, past in junk) > 1, "dkimspf", words)
    return Reputation(None, False, "dkimspf", words)


def _by_network(memory: _Memory, message: MessageFacts) -> Reputation | None:
    for key in _network_keys(message):
        if past := memory.of(key):
            share = _junk_share(past)
            verdict = HAM if share < 0.25 else JUNK if share > 0.75 else None
            conclusive = len(past) >= IP_ENOUGH[key.kind] and (share <= 0.1 or share >= 0.9)
            words = f"{sum(one.junk for one in past)} of the last {len(past)} messages from {key.text} were junk"
            return Reputation(verdict, conclusive, key.kind, words)
    return None


def _is_spam(past: tuple[Past, ...]) -> bool:
    """The newest is junk, and so is the one before it, if there is one: one slip of the finger condemns nobody."""
    return all(one.junk for one in past[:2])


def _junk_share(past: tuple[Past, ...]) -> float:
    return sum(one.junk for one in past) / len(past)
