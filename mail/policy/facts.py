"""Everything the decision about an arriving message weighs, as plain values.

1. A decision is a function of these values and of the time: what is random (`noise`, the sampling of DMARC) or needs a
   secret (the token to put in a subject) is drawn before and is a value here.
2. `as_json` and `from_json` are exact: the trace of a message keeps them, and a replay decides from them.
   What has its default is left out, as it is in traces of earlier versions; what a trace has more is left aside.
3. A fact that could not be had is a value: "temperror", None, or the word of the failure.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from math import isfinite
from typing import Any, NamedTuple, Self

from mail.errors import Invalid

INBOX = "Inbox"

# What is read of To and Cc together.
ADDRESSED_MAX = 100


class Signature(NamedTuple):
    """One DKIM signature. `usable`: our policy lets it prove something (RFC 6376 §6.1.1: no `l=`, Subject signed …)."""

    result: str
    domain: str
    usable: bool = True


class Word(NamedTuple):
    """A word the junk filter went by, and how much it speaks for junk (0 to 1)."""

    word: str
    score: float


class Key(NamedTuple):
    """Under what an earlier message is found: what kind of name, and the name. `mail.policy.reputation` makes them."""

    kind: str
    text: str


class Past(NamedTuple):
    """An earlier message that the owner marked as junk or as good; of one he sent himself only the time counts."""

    at_ms: int
    junk: bool = False
    localpart: str = ""


# For each key the newest first. Keys that have no past may be missing.
History = Mapping[Key, tuple[Past, ...]]


def _plain(value: Any) -> Any:
    """orjson knows tuples, not their subclasses."""
    if type(value) is not tuple:
        return None if value is MISSING else value
    return [tuple(one) if isinstance(one, tuple) else one for one in value]


class _Facts:
    """The JSON of a frozen dataclass whose fields are of the types below."""

    def as_json(self) -> dict[str, Any]:
        values = {
            name: value if type(value) is not tuple else _plain(value)
            for name, default in _defaults(type(self))  # type: ignore[arg-type]
            if (value := getattr(self, name)) != default
        }
        if values.get("history"):
            values["history"] = [(*key, _plain(past)) for key, past in values["history"].items()]
        return values

    def in_full(self) -> dict[str, Any]:
        """`as_json` with the defaults, for whoever reads it."""
        return {name: _plain(default) for name, default in _defaults(type(self))} | self.as_json()  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """`Invalid` when a value is not of its field's type."""
        known = _readers(cls)  # type: ignore[arg-type]
        try:
            return cls(**{name: known[name](value) for name, value in values.items() if name in known})
        except (TypeError, ValueError, OverflowError) as error:
            raise Invalid(public=f"these are not the facts of a message: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts(_Facts):
    """What is the same for every recipient. Domains are lower-case A-labels, addresses as `mail.address` has them."""

    ip: str
    ehlo_name: str = ""
    tls: bool = False
    iprev: str = "none"  # RFC 8601 §2.7.3: pass, fail, temperror, permerror
    spf: str = "none"  # RFC 7208 §2.6
    spf_identity: str = "mailfrom"  # or helo, where the sender is null
    spf_domain: str = ""
    mail_from: str = ""
    dkim: tuple[Signature, ...] = ()
    dmarc: str = "none"  # pass, fail, none, temperror, permerror
    dmarc_domain: str = ""  # where the record is
    dmarc_policy: str = ""  # what it asks for this author: none, quarantine, reject
    dmarc_sampled_out: bool = False  # RFC 7489 §6.6.4: the domain asked to spare this one
    dmarc_wants_reports: bool = False  # the record names somebody to send reports to
    author: str = ""  # the one address of From; empty when there is not exactly one
    author_defect: str = ""  # why it cannot be trusted to be the author's (security MC-10), in words
    from_domain: str = ""
    org_domain: str = ""  # the organizational domain of from_domain
    from_validated: bool = False  # SPF or DKIM passes for a domain aligned with From, with or without a DMARC record
    dnsbl: tuple[str, ...] = ()  # the healthy lists that list the client
    login_domain: str = ""  # of the author, who had logged in here and owns his address
    arc: str = "none"
    subject: str = ""
    message_id: str = ""
    to_and_cc: tuple[str, ...] = ()
    list_id: str = ""
    received_count: int = 0
    size: int = 0

    @property
    def signers(self) -> tuple[str, ...]:
        """The domains with a signature that holds and may be believed."""
        return tuple(dict.fromkeys(one.domain for one in self.dkim if one.usable and one.result == "pass"))

    @property
    def verified_domains(self) -> tuple[str, ...]:
        """The domains that answer for the message: every signer, the sender's by SPF, its author's by his login."""
        by_spf = self.spf_domain if self.spf == "pass" and self.spf_identity == "mailfrom" else ""
        return (*self.signers, *filter(None, (by_spf, self.login_domain)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFacts(_Facts):
    """What is this recipient's own: address, destination, account, its rules and its experience."""

    rcpt_to: str
    canonical: str = ""
    mailbox: str = INBOX  # of the destination, before any ruleset
    rate_exceeded: str = ""  # which limit of `mail.policy.rates`, in words
    over_quota: bool = False

    ruleset_id: int = 0  # the ruleset that matched; 0 when none did, and the next five are empty
    ruleset_mailbox: str = ""
    is_forward: bool = False
    forwarder_domain: str = ""  # its verified domain
    list_allow_domain: str = ""
    accept_rejects_to: str = ""

    auth_required_text: str = ""  # this destination takes only what is verified; the words of the refusal
    report_address: str = ""  # dmarc or tls when the address is for such reports
    report_valid: bool = False  # and the message is one, from whom it says, about a domain of ours
    introbox: str = ""
    rejects_mailbox: str = ""
    no_first_time_delay: bool = False
    in_to_or_cc: bool = True

    history: History | None = None  # None: it could not be read
    org_domain_known: bool = False  # the account has good mail from the author's organization, or has written to it

    subject_pass: str = ""  # valid or error; empty when there is no token or it is worth nothing
    subject_pass_token: str = ""  # the one to offer; empty when subject passes are off

    has_junk_filter: bool = False
    junk_filter_broken: bool = False
    probability: float | None = None  # None: the message could not be classified
    significant: bool = False  # the filter has learnt enough to be believed
    ham_words: tuple[Word, ...] = ()
    spam_words: tuple[Word, ...] = ()
    threshold: float = 0.95
    noise: float = 0.0  # added to the threshold, so that it cannot be probed: -0.05 to 0.05

    @property
    def forwarder(self) -> str:
        """The domain that passed the message on, if a ruleset says that one did."""
        return self.forwarder_domain if self.is_forward else ""


def addressed(rcpt_to: str, to_and_cc: tuple[str, ...]) -> bool:
    """Is the recipient named in To or Cc: the address as given in SMTP, but for case. True for an empty localpart."""
    wanted = rcpt_to.casefold()
    return wanted.startswith("@") or any(wanted == one.casefold() for one in to_and_cc)


def is_within(domain: str, parent: str) -> bool:
    """Is the domain the parent or below it."""
    return domain == parent or domain.endswith(f".{parent}")


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r:.40} is no {kind.__name__}")
        return value

    return read


_text, _flag, _number = _exactly(str), _exactly(bool), _exactly(int)


def _fraction(value: Any) -> float:
    if not isinstance(value, int | float) or not isfinite(value):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def _history(value: Any) -> History:
    return {
        Key(_text(kind), _text(text)): tuple(Past(_number(at), _flag(junk), _text(local)) for at, junk, local in past)
        for kind, text, past in value
    }


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    bool: _flag,
    int: _number,
    float: _fraction,
    float | None: lambda value: None if value is None else _fraction(value),
    tuple[str, ...]: lambda value: tuple(_text(one) for one in value),
    tuple[Signature, ...]: lambda value: tuple(Signature(_text(r), _text(d), _flag(u)) for r, d, u in value),
    tuple[Word, ...]: lambda value: tuple(Word(_text(word), _fraction(score)) for word, score in value),
    History | None: lambda value: None if value is None else _history(value),
}


@cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """Each field of a kind of facts, and its default."""
    return tuple((one.name, one.default) for one in fields(kind))


@cache
def _readers(kind: type) -> dict[str, Callable[[Any], Any]]:
    """What reads each field of a kind of facts."""
    return {one.name: _READERS[one.type] for one in fields(kind)}
