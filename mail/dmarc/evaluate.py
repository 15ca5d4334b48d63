"""Has the domain of the author taken responsibility for this message, and what does it want done if not?

    result     when
    pass       SPF or a DKIM signature passed for an aligned domain
    fail       none did
    temperror  none did, and one that could not be checked now might have; or the policy could not be had. Never refuses
    none       the domain has no policy
    permerror  there is no one author; to be refused as a failure under p=reject would be (security MC-10)

RFC 9989 obsoletes RFC 7489, and wins where they differ: the policy is found by walking up the tree, not at two names;
several records at one name are none and the walk goes on; a domain that does not exist is one of which the DNS says
NXDOMAIN, whatever it is asked for. RFC 7489 is kept where nothing replaces it for domains that follow it: pct= still
samples, because a domain that publishes pct=0 would else be enforced in full by us alone. The suffix list stays as the
fence and the fallback that mail.dmarc.domains describes. What is left out of a sample, or asked for with t=y, gets the
next lower policy (RFC 7489 §6.6.4, RFC 9989 §4.7), not none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mail.address import parse_domain
from mail.dmarc.domains import Published, TreeWalk, Walk
from mail.dmarc.record import Record
from mail.dns.resolver import LookupFailed, NoRecords, Resolver
from mail.errors import BadAddress
from mail.message.author import Author

_LOWER = {"reject": "quarantine", "quarantine": "none", "none": "none"}

# The words of an aggregate report for why a policy was not applied.
SAMPLED_OUT = "sampled_out"
TEST_MODE = "policy_test_mode"


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """`policy` is what the record asks for this author; `disposition` what it comes to for this message. `domain` is
    where the record was found; `secure` that DNSSEC vouches for it. `lookups`: questions asked of the DNS.
    """

    result: str
    policy: str = "none"
    disposition: str = "none"
    domain: str = ""
    organizational_domain: str = ""
    record: Record | None = None
    record_text: str = ""
    aligned_spf: bool = False
    aligned_dkim: bool = False
    sampled_out: bool = False
    overrides: tuple[str, ...] = ()
    secure: bool = False
    lookups: int = 0


async def evaluate(
    resolver: Resolver,
    *,
    author: Author | str,
    spf: tuple[str, str],
    dkim: Sequence[tuple[str, str]],
    draw: float,
) -> DmarcResult:
    """`author` may be the domain alone; `spf` and `dkim` are (result, domain); `draw` in [0, 100) decides about pct, so
    that a decision can be made again. Never raises.
    """
    domain = _author_domain(author)
    if domain is None:
        return DmarcResult("permerror", policy="reject", disposition="reject")
    if domain.startswith("["):
        return DmarcResult("none", organizational_domain=domain)
    tree = TreeWalk(resolver)
    walk = await tree.walk(domain)
    organization = walk.organizational_domain
    own = bool(walk.found) and walk.found[0].domain == domain
    if walk.failed and not own:
        return DmarcResult("temperror", organizational_domain=organization, lookups=tree.lookups)
    published = walk.policy
    if published is None or not published.record.p:
        return DmarcResult("none", organizational_domain=organization, lookups=tree.lookups)
    record = published.record
    policy, asked = await _policy(resolver, domain, published)
    spf_aligned = await _aligned(tree, walk, [spf], strict=record.aspf == "s")
    dkim_aligned = await _aligned(tree, walk, dkim, strict=record.adkim == "s")
    if "pass" in (spf_aligned, dkim_aligned):
        result = "pass"
    elif policy is None or "unknown" in (spf_aligned, dkim_aligned):
        result = "temperror"
    else:
        result = "fail"
    policy = policy or record.subdomain_policy(exists=True)
    disposition, overrides = _disposition(record, policy, draw) if result == "fail" else ("none", ())
    return DmarcResult(
        result,
        policy,
        disposition,
        published.domain,
        organization,
        record,
        published.text,
        spf_aligned == "pass",
        dkim_aligned == "pass",
        SAMPLED_OUT in overrides,
        overrides,
        published.secure,
        tree.lookups + asked,
    )


def _author_domain(author: Author | str) -> str | None:
    """None when there is no one author with a domain."""
    if isinstance(author, Author):
        return None if author.defects or author.address is None else author.address.domain
    return author if author.startswith("[") else _normal(author)


def _normal(domain: str) -> str | None:
    try:
        return parse_domain(domain, strict=False)
    except BadAddress:
        return None


async def _policy(resolver: Resolver, domain: str, published: Published) -> tuple[str | None, int]:
    """What the record asks for that domain, and how many questions that took; None when it could not be known now."""
    record = published.record
    if published.domain == domain:
        return record.p, 0
    existing = record.subdomain_policy(exists=True)
    missing = record.subdomain_policy(exists=False)
    if existing == missing:
        return existing, 0
    try:
        await resolver.lookup(domain, "A")
    except NoRecords as error:
        # A domain that does not exist is NXDOMAIN for RFC 9989, so one question of any kind tells.
        return (existing if error.exists else missing), 1
    except LookupFailed:
        return None, 1
    return existing, 1


async def _aligned(tree: TreeWalk, author: Walk, checks: Sequence[tuple[str, str]], *, strict: bool) -> str:
    """What comes of the checks whose domain is aligned with the author's: "pass"; "unknown" when that could not be had
    now and might be a pass; "".
    """
    best = ""
    for result, domain in checks:
        name = _normal(domain) if result.lower() in ("pass", "temperror") else None
        if name is None:
            continue
        aligned = name == author.domain or (not strict and await _same_organization(tree, author, name))
        if aligned and result.lower() == "pass":
            return "pass"
        if aligned is not False:
            best = "unknown"
    return best


async def _same_organization(tree: TreeWalk, author: Walk, name: str) -> bool | None:
    """None when that is not known now."""
    organization = author.organizational_domain
    # The organizational domain of a name is that name or above it, so most need no walk.
    if name != organization and not name.endswith(f".{organization}"):
        return False
    walk = await tree.walk(name)
    if walk.failed or author.failed:
        # Who has us ask too much is not let off for it.
        return False if tree.exhausted else None
    return walk.organizational_domain == organization


def _disposition(record: Record, policy: str, draw: float) -> tuple[str, tuple[str, ...]]:
    if policy == "none":
        return policy, ()
    if record.testing:
        return _LOWER[policy], (TEST_MODE,)
    if draw >= record.pct:
        return _LOWER[policy], (SAMPLED_OUT,)
    return policy, ()
