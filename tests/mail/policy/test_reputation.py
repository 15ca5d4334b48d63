from mail.policy.facts import History, Key, MessageFacts, Past, Signature
from mail.policy.reputation import LIMITS, YEAR_MS, Reputation, judge, keys, keys_of_message, keys_of_recipient

NOW = 1_760_000_000_000
DAY = 86_400_000


def message(author: str = "a@x.example", **fields: object) -> MessageFacts:
    domain = author.rpartition("@")[2]
    org = ".".join(domain.split(".")[-2:])
    chosen = {"ip": "192.0.2.7", "from_validated": True, **fields}
    return MessageFacts(author=author, from_domain=domain, org_domain=org, **chosen)  # type: ignore[arg-type]


class Marked:
    """A mailbox whose messages were marked, the latest call the newest."""

    def __init__(self) -> None:
        self.history: dict[Key, tuple[Past, ...]] = {}
        self.at = NOW - 40 * DAY

    def mark(self, one: MessageFacts, *, junk: bool, times: int = 1, at: int = 0, forwarder: str = "") -> "Marked":
        for _ in range(times):
            self.at += 60_000
            past = Past(at or self.at, junk, one.author.partition("@")[0])
            for key in keys_of_message(one, forwarder):
                self.history[key] = (past, *self.history.get(key, ()))
        return self

    def wrote_to(self, address: str, org: str, at: int) -> "Marked":
        self.history |= {key: (Past(at),) for key in keys_of_recipient(address, org)}
        return self

    def of(self, one: MessageFacts, forwarder: str = "") -> Reputation:
        asked: History = {key: self.history[key] for key in keys(one, forwarder) if key in self.history}
        return judge(asked, one, NOW, forwarder)


def said(reputation: Reputation) -> tuple[str | None, bool, str]:
    return reputation.verdict, reputation.conclusive, reputation.method


def test_one_junk_after_hams_is_forgiven_and_a_second_in_a_row_is_not() -> None:
    marked = Marked().mark(message(), junk=False, times=2).mark(message(), junk=True)
    assert said(marked.of(message())) == ("ham", True, "msgfromfull")
    marked.mark(message(), junk=True)
    assert said(marked.of(message())) == ("junk", True, "msgfromfull")


def test_a_single_junk_message_condemns_a_validated_address() -> None:
    assert said(Marked().mark(message(), junk=True).of(message())) == ("junk", True, "msgfromfull")


def test_an_address_is_the_same_in_capitals() -> None:
    marked = Marked().mark(message("Anna@x.example"), junk=False)
    assert said(marked.of(message("anna@x.example"))) == ("ham", True, "msgfromfull")


def test_what_is_not_validated_never_decides_alone_by_its_own_history() -> None:
    forged = message(from_validated=False)
    assert said(Marked().mark(forged, junk=False).of(forged)) == ("ham", False, "msgfromfull")
    assert said(Marked().mark(forged, junk=True).of(forged)) == ("junk", False, "msgfromfull")


def test_a_forged_author_does_not_gain_by_the_good_name_of_the_true_one() -> None:
    marked = Marked().mark(message(), junk=False, times=2)
    assert said(marked.of(message(from_validated=False))) == ("junk", False, "msgfromfull")


def test_a_validated_history_of_spam_rejects_the_unvalidated_too() -> None:
    marked = Marked().mark(message(), junk=True, times=2)
    assert said(marked.of(message(from_validated=False))) == ("junk", True, "msgfromfull")


def test_a_validated_history_of_the_domain_makes_the_unvalidated_junk() -> None:
    forged = message("b@x.example", from_validated=False)
    assert said(Marked().mark(message(), junk=False).of(forged)) == ("junk", False, "msgfromdomain")
    assert said(Marked().mark(message(), junk=True, times=2).of(forged)) == ("junk", True, "msgfromdomain")


def test_whom_we_wrote_to_last_year_is_welcome() -> None:
    marked = Marked().wrote_to("b@y.example", "y.example", NOW - YEAR_MS)
    assert said(marked.of(message("b@y.example"))) == ("ham", True, "msgtofull")
    assert said(marked.of(message("b@y.example", from_validated=False))) == ("ham", True, "msgtofull")
    assert said(marked.of(message("c@y.example"))) == ("ham", True, "msgtodomain")
    assert said(marked.of(message("c@mail.y.example"))) == ("ham", True, "msgtoorgdomain")


def test_whom_we_wrote_to_long_ago_is_forgotten_the_domain_before_the_address() -> None:
    marked = Marked().wrote_to("b@y.example", "y.example", NOW - 2 * YEAR_MS - DAY)
    assert said(marked.of(message("b@y.example"))) == ("ham", True, "msgtofull")
    assert said(marked.of(message("c@y.example"))) == (None, False, "none")
    marked = Marked().wrote_to("b@y.example", "y.example", NOW - 3 * YEAR_MS - DAY)
    assert said(marked.of(message("b@y.example"))) == (None, False, "none")


def test_junk_of_one_author_is_not_held_against_his_whole_domain() -> None:
    marked = Marked().mark(message("a@x.example"), junk=True, times=5)
    assert said(marked.of(message("new@x.example"))) == ("junk", False, "msgfromdomain")
    marked.mark(message("b@x.example"), junk=True).mark(message("c@x.example"), junk=True)
    assert said(marked.of(message("new@x.example"))) == ("junk", True, "msgfromdomain")


def test_nine_good_of_ten_clear_a_domain_and_eight_of_ten_do_not() -> None:
    nine = Marked().mark(message("a@x.example"), junk=False, times=9).mark(message("b@x.example"), junk=True)
    assert said(nine.of(message("new@x.example"))) == ("ham", True, "msgfromdomain")
    eight = Marked().mark(message("a@x.example"), junk=False, times=8).mark(message("b@x.example"), junk=True, times=2)
    assert said(eight.of(message("new@x.example"))) == (None, False, "msgfromdomain")


def test_only_the_newest_twenty_of_a_domain_count() -> None:
    marked = (
        Marked().mark(message("a@x.example"), junk=True, times=30).mark(message("b@x.example"), junk=False, times=20)
    )
    assert said(marked.of(message("new@x.example"))) == ("ham", True, "msgfromdomain")


def test_the_organization_speaks_for_a_new_subdomain() -> None:
    marked = Marked().mark(message("a@one.x.example"), junk=False, times=3)
    assert said(marked.of(message("b@two.x.example"))) == ("ham", True, "msgfromorgdomain")


def signed(author: str, *domains: str, **fields: object) -> MessageFacts:
    return message(author, dkim=tuple(Signature("pass", domain) for domain in domains), **fields)


def test_a_signing_domain_is_cleared_by_one_ham_and_condemned_by_two_junk() -> None:
    stranger = signed("new@z.example", "esp.example")
    assert said(Marked().mark(signed("a@x.example", "esp.example"), junk=False).of(stranger)) == (
        "ham",
        True,
        "dkimspf",
    )
    once = Marked().mark(signed("a@x.example", "esp.example"), junk=True)
    assert said(once.of(stranger)) == ("junk", False, "dkimspf")
    twice = once.mark(signed("b@y.example", "esp.example"), junk=True)
    assert said(twice.of(stranger)) == ("junk", True, "dkimspf")


def test_signers_that_disagree_say_nothing() -> None:
    marked = Marked().mark(signed("a@x.example", "good.example"), junk=False, times=3)
    marked.mark(signed("b@y.example", "bad.example"), junk=True, times=3)
    assert said(marked.of(signed("new@z.example", "good.example", "bad.example"))) == (None, False, "dkimspf")


def test_a_signature_that_fails_or_proves_nothing_has_no_history() -> None:
    marked = Marked().mark(signed("a@x.example", "esp.example"), junk=False)
    failed = message("new@z.example", ip="203.0.113.1", dkim=(Signature("fail", "esp.example"),))
    partial = message("new@z.example", ip="203.0.113.1", dkim=(Signature("pass", "esp.example", False),))
    assert said(marked.of(failed)) == said(marked.of(partial)) == (None, False, "none")


def spf(mail_from: str, author: str, **fields: object) -> MessageFacts:
    domain = mail_from.rpartition("@")[2]
    return message(author, spf="pass", mail_from=mail_from, spf_domain=domain, **fields)


def test_the_spf_sender_is_asked_by_address_then_by_domain() -> None:
    marked = Marked().mark(spf("bad@m.example", "a@x.example"), junk=True, times=2)
    marked.mark(spf("good@m.example", "b@y.example"), junk=False)
    assert said(marked.of(spf("good@m.example", "new@z.example"))) == ("ham", True, "dkimspf")
    assert said(marked.of(spf("bad@m.example", "new@z.example"))) == ("junk", True, "dkimspf")
    assert said(marked.of(spf("other@m.example", "new@z.example"))) == (None, False, "dkimspf")


def test_a_sender_known_by_address_is_not_judged_by_its_domain_too() -> None:
    marked = Marked().mark(spf("bad@m.example", "a@x.example"), junk=True, times=20)
    marked.mark(spf("good@m.example", "b@y.example"), junk=False)
    assert said(marked.of(spf("good@m.example", "new@z.example"))) == ("ham", True, "dkimspf")


def test_a_null_sender_is_known_by_its_ehlo_name() -> None:
    def bounce(author: str) -> MessageFacts:
        return message(author, spf="pass", spf_identity="helo", spf_domain="mx.m.example")

    assert said(Marked().mark(bounce("a@x.example"), junk=False).of(bounce("b@y.example"))) == ("ham", True, "dkimspf")


def test_a_client_that_sent_two_junk_of_two_is_rejected_and_so_is_a_bad_network() -> None:
    two = Marked().mark(message("a@x.example", ip="198.51.100.9"), junk=True, times=2)
    assert said(two.of(message("new@z.example", ip="198.51.100.9"))) == ("junk", True, "ip1")
    assert said(two.of(message("new@z.example", ip="198.51.100.10"))) == ("junk", False, "ip2")
    five = Marked()
    for last in range(1, 6):
        five.mark(message(f"a{last}@x{last}.example", ip=f"198.51.100.{last}"), junk=True)
    assert said(five.of(message("new@z.example", ip="198.51.100.33"))) == ("junk", True, "ip2")
    assert said(five.of(message("new@z.example", ip="198.51.101.33"))) == ("junk", False, "ip3")


def test_the_networks_of_version_six_are_wider() -> None:
    marked = Marked().mark(message("a@x.example", ip="2001:db8:0:1::1"), junk=False, times=2)
    assert said(marked.of(message("n@z.example", ip="2001:db8:0:1::2"))) == ("ham", True, "ip1")
    assert said(marked.of(message("n@z.example", ip="2001:db8:0:2::2"))) == ("ham", False, "ip2")
    assert said(marked.of(message("n@z.example", ip="2001:db8:9:2::2"))) == ("ham", False, "ip3")


def test_a_mixed_network_says_nothing_and_a_mostly_bad_one_says_a_little() -> None:
    marked = Marked()
    for number in range(8):
        marked.mark(message(f"a@x{number}.example"), junk=number % 2 == 0)
    assert said(marked.of(message("n@z.example"))) == (None, False, "ip1")
    for number in range(12):
        marked.mark(message(f"a@y{number}.example"), junk=True)
    assert said(marked.of(message("n@z.example"))) == ("junk", False, "ip1")


def test_what_is_too_old_is_forgotten_by_kind() -> None:
    for kind, one, newcomer in (
        ("from-validated", message(), message()),
        ("domain-validated", message("a@x.example"), message("b@x.example")),
        ("org-validated", message("a@q.x.example"), message("b@x.example")),
        ("dkim", signed("a@x.example", "e.example"), signed("b@z.example", "e.example", ip="203.0.113.1")),
        ("ip1", message("a@x.example"), message("b@z.example")),
    ):
        window = LIMITS[kind][0]
        assert said(Marked().mark(one, junk=False, times=2, at=NOW - window).of(newcomer))[0] == "ham", kind
        assert said(Marked().mark(one, junk=False, times=2, at=NOW - window - 1).of(newcomer))[2] == "none", kind


def test_a_forwarder_is_neither_praised_nor_blamed_for_what_it_passes_on() -> None:
    forwarded = message(
        "a@x.example",
        spf="pass",
        mail_from="srs@fwd.example",
        spf_domain="fwd.example",
        dkim=(Signature("pass", "x.example"), Signature("pass", "fwd.example"), Signature("pass", "mx.fwd.example")),
    )
    kinds = {key.kind for key in keys_of_message(forwarded, "fwd.example")}
    assert kinds == {"from-validated", "domain-validated", "org-validated", "dkim"}
    assert not [key for key in keys(forwarded, "fwd.example") if "fwd.example" in key.text]
    marked = Marked().mark(forwarded, junk=True, times=5, forwarder="fwd.example")
    own = spf("owner@fwd.example", "owner@fwd.example", dkim=(Signature("pass", "fwd.example"),))
    assert said(marked.of(own)) == (None, False, "none")


def test_a_defective_author_is_judged_by_the_machines_only() -> None:
    nobody = MessageFacts(ip="192.0.2.7")
    assert {key.kind for key in keys(nobody)} == {"ip1", "ip2", "ip3"}
    assert said(Marked().mark(nobody, junk=True, times=2).of(nobody)) == ("junk", True, "ip1")


def test_every_kind_of_key_has_its_limit() -> None:
    many = (
        *keys(spf("a@m.example", "a@x.example", dkim=(Signature("pass", "x.example"),), from_validated=False)),
        *keys(message(spf="pass", spf_identity="helo", spf_domain="mx.example")),
    )
    assert {key.kind for key in many} == LIMITS.keys()
