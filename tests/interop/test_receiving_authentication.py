"""Arriving mail: what SPF, DKIM and DMARC come to, seen from outside (features B04; security MA-3, MA-5, MC-10)."""

import smtplib
import time

import pytest

from tests import dkim_signer
from tests.bundle import wait_until
from tests.dkim_signer import rsa_key
from tests.receiving import PASSWORD, Host, Kept, Stranger, text

TO = "bob@here.example"


@pytest.fixture(scope="module", autouse=True)
def bob(host: Host) -> None:
    host.account("bob")


def newest(host: Host, mailbox: str = "INBOX") -> Kept:
    return host.kept("bob", mailbox)[-1]


def forged(host: Host, victim: Stranger) -> tuple[Stranger, bytes]:
    """One whom SPF knows under his own name, and his message in the name of the victim."""
    forger = host.stranger()
    return forger, forger.message(TO, From=victim.address)


def test_what_was_found_is_said_at_the_top_of_the_message(host: Host):
    ann = host.stranger(policy="reject")
    assert ann.send(ann.sign(ann.message(TO)), TO).begins("250 2.0.0")
    kept = newest(host)
    assert kept.octets.startswith(f"Return-Path: <{ann.address}>\r\nDelivered-To: {TO}\r\n".encode())
    for word in (
        host.settings.hostname,
        "iprev=pass",
        "dkim=pass",
        f"header.d={ann.domain}",
        "header.s=sel",
        "spf=pass",
    ):
        assert word in kept.results
    assert f"smtp.mailfrom={ann.address}" in kept.results and "dmarc=pass" in kept.results
    spf = kept.values("Received-SPF")[0]
    assert spf.startswith("pass") and f"client-ip={ann.ip}" in spf.replace('"', "") and "identity=mailfrom" in spf
    assert "with ESMTPS id" in kept.values("Received")[0] and f"for <{TO}>" in kept.values("Received")[0]


def test_a_failing_spf_is_said_and_does_not_refuse_whom_the_owner_wrote_to(host: Host):
    ann = host.stranger(policy="none", spf="-all")
    host.wrote_to("bob", ann.address)
    assert ann.write(TO).begins("250 ")
    assert "spf=fail" in newest(host).results and "dmarc=fail" in newest(host).results


@pytest.mark.parametrize("policy", ["reject", "quarantine"])
def test_what_the_policy_of_its_author_does_not_want_is_refused(host: Host, policy: str):
    forger, message = forged(host, host.stranger(policy=policy))
    reply = forger.send(message, TO)
    assert reply.begins("550 5.7.26") and "rejecting per dmarc policy" in reply.text
    assert host.reason(TO) == "dmarc-policy"
    assert "dmarc=fail" in newest(host, "Rejects").results and "spf=pass" in newest(host, "Rejects").results


@pytest.mark.parametrize("policy", ["quarantine; pct=0", "none", "reject; t=y"])
def test_a_policy_that_spares_the_message_does_not_refuse_it(host: Host, policy: str):
    forger, message = forged(host, host.stranger(policy=policy))
    reply = forger.send(message, TO)
    if "t=y" in policy:
        # RFC 9989 §4.7: the next lower policy, which is refused here too.
        assert reply.begins("550 5.7.26")
    else:
        assert reply.begins("250 ") and "dmarc=fail" in newest(host).results


def test_the_organization_above_answers_for_a_name_without_a_policy(host: Host):
    victim = host.stranger(policy="none; sp=reject")
    forger = host.stranger()
    assert forger.send(forger.message(TO, From=f"ann@mail.{victim.domain}"), TO).begins("550 5.7.26")


@pytest.mark.parametrize("way", ["a length", "an unsigned subject", "an expired one", "a changed body", "no key"])
def test_a_signature_that_proves_nothing_is_no_pass(host: Host, way: str):
    ann = host.stranger(policy="none")
    forger = host.stranger()
    message = ann.message(TO, "Signed")
    now = int(time.time())
    match way:
        case "a length":
            signed = ann.sign(message, length=True) + b"And more.\r\n"
        case "an unsigned subject":
            signed = ann.sign(message, include_headers=[b"from", b"to", b"date"])
        case "an expired one":
            signed = dkim_signer.sign(message, d=ann.domain, s="sel", t=str(now - 200), x=str(now - 100))
        case "a changed body":
            signed = ann.sign(message) + b"And more.\r\n"
        case _:
            signed = dkim_signer.sign(message, d=ann.domain, s="missing")
    assert forger.send(signed, TO).begins("250 ")
    assert "dkim=" in newest(host).results
    assert "dkim=pass" not in newest(host).results and "dmarc=pass" not in newest(host).results


def test_a_key_that_cannot_be_had_now_is_temporary_and_refuses_nobody(host: Host):
    victim = host.stranger(policy="reject", key=False)
    host.dns.add({f"sel._domainkey.{victim.domain}": "SERVFAIL"})
    forger = host.stranger()
    assert forger.send(victim.sign(victim.message(TO)), TO).begins("250 ")
    assert "dkim=temperror" in newest(host).results and "dmarc=temperror" in newest(host).results


def test_a_silent_dns_delays_the_reply_and_refuses_nobody(host: Host):
    victim = host.stranger(policy="reject", key=False)
    forger = host.stranger(spf="include:silent.example -all")
    reverse = ".".join(reversed(forger.ip.split("."))) + ".in-addr.arpa"
    names = ("silent.example", f"sel._domainkey.{victim.domain}", f"_dmarc.{victim.domain}", reverse)
    host.dns.add(dict.fromkeys(names, "TIMEOUT"))
    host.wrote_to("bob", victim.address)
    begun = time.monotonic()
    assert forger.send(victim.sign(victim.message(TO)), TO).begins("250 ")
    assert time.monotonic() - begun < 35
    for method in ("iprev", "spf", "dkim", "dmarc"):
        assert f"{method}=temperror" in newest(host).results


def test_an_address_without_a_name_of_its_own_is_told(host: Host):
    ann = host.stranger(iprev=False)
    host.wrote_to("bob", ann.address)
    assert ann.write(TO).begins("250 ")
    assert "iprev=fail" in newest(host).results


def test_the_null_sender_is_known_by_his_greeting(host: Host):
    ann = host.stranger()
    reply = ann.send(ann.message(TO), TO, mail_from="", helo=ann.domain)
    assert reply.begins("250 ")
    assert "spf=pass" in newest(host).results and f"smtp.helo={ann.domain}" in newest(host).results
    assert "identity=helo" in newest(host).values("Received-SPF")[0]


def forgeries(host: Host) -> bytes:
    name = host.settings.hostname
    return (
        f"Authentication-Results: {name}; dmarc=pass header.from=for-ged.example\r\n"
        f"authentication-results:\r\n (of for-ged) {name} 1; dkim=pass header.d=for-ged.example\r\n"
        "Delivered-To: for-ged@for-ged.example\r\nX-Mailstead-Reason: for-ged\r\n"
    ).encode()


def test_forged_fields_of_ours_are_taken_out_and_those_of_others_stay(host: Host):
    ann = host.stranger()
    others = b"Authentication-Results: mx.elsewhere.example; dmarc=pass header.from=other.example\r\n"
    fields = b"Return-Path: <for-ged@for-ged.example>\r\n" + forgeries(host) + others
    assert ann.send(fields + ann.message(TO), TO).begins("250 ")
    assert b"for-ged" not in newest(host).octets and b"other.example" in newest(host).octets


def test_forged_fields_are_taken_out_of_submitted_mail_too(host: Host):
    address, port = host.bundle.address("submissions")
    with smtplib.SMTP_SSL(address, port, context=host.bundle.tls) as client:
        client.login(TO, PASSWORD)
        client.sendmail(TO, [TO], forgeries(host) + f"From: {TO}\r\nTo: {TO}\r\nSubject: own\r\n\r\nx\r\n".encode())
    wait_until(lambda: b"Subject: own" in newest(host).octets, 20, "the message to himself")
    assert b"for-ged" not in newest(host).octets


# Some reader takes the victim for the author, another the forger, who is proved (security MC-10).
FAMILIES = {
    "two fields": "From: {forger}\r\nFrom: {victim}\r\n",
    "two fields, the victim first": "From: {victim}\r\nFrom: {forger}\r\n",
    "a space before the colon": "From : {victim}\r\nFrom: {forger}\r\n",
    "another case": "from: {victim}\r\nFROM: {forger}\r\n",
    "a leading continuation": " From: {victim}\r\nFrom: {forger}\r\n",
    "a line that is no field": "zq\r\nFrom: {victim}\r\n",
    "several authors": "From: {victim}, {forger}\r\n",
    "a group": "From: staff: {victim};\r\n",
    "a route": "From: <@{forger_domain}:{victim}>\r\n",
    "an encoded address": "From: =?utf-8?q?{encoded}?=\r\n",
    "an address in a quoted localpart": 'From: "{victim}>x"@{forger_domain}\r\n',
    "an address in a comment": "From: {victim} (x) <{forger}>\r\n",
    "an unfinished address": "From: <{victim}, x <{forger}>\r\n",
    "octets without SMTPUTF8": "From: \xe9 <{victim}>\r\n",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_who_forges_an_author_is_never_shown_to_have_proved_him(host: Host, family: str):
    victim = host.stranger(policy="none", key=False)
    forger = host.stranger(policy="none")
    fields = FAMILIES[family].format(
        victim=victim.address,
        forger=forger.address,
        forger_domain=forger.domain,
        encoded=victim.address.replace("@", "=40"),
    )
    message = fields.encode("latin-1") + forger.message(TO, From="")
    signed = dkim_signer.sign(message, d=forger.domain, s="sel", h="From:From:To:Subject:Date")
    before = len(host.kept("bob"))
    reply = forger.send(signed if message[:1] != b" " else message, TO)
    if reply.code == 250:
        # One author, whom every reader sees: then he is the forger, or unproved.
        assert len(host.kept("bob")) == before + 1
        results = newest(host).results
        assert "dmarc=pass" not in results or f"header.from={forger.domain}" in results
    else:
        assert reply.begins("550 5.7.1"), reply
        assert "exactly one valid From header" in reply.text
        results = newest(host, "Rejects").results
        assert "dmarc=permerror" in results and "dmarc=pass" not in results
    assert f"header.from={victim.domain}" not in results


@pytest.mark.parametrize(
    "way", ["the greeting of the victim", "the victim as localpart", "a signature of the victim's namesake"]
)
def test_the_name_of_the_victim_in_another_place_proves_nothing(host: Host, way: str):
    victim = host.stranger(policy="reject", key=False)
    forger = host.stranger()
    message = forger.message(TO, From=victim.address)
    match way:
        case "the greeting of the victim":
            reply = forger.send(message, TO, mail_from="", helo=victim.domain)
        case "the victim as localpart":
            reply = forger.send(message, TO, mail_from=f'"{victim.address}"@{forger.domain}')
        case _:
            name = f"{victim.domain}.{forger.domain}"
            host.dns.add({f"sel._domainkey.{name}": text(dkim_signer.record(rsa_key()))})
            reply = forger.send(forger.sign(message, domain=name), TO)
    assert reply.begins("550 5.7.26")
    assert "dmarc=fail" in newest(host, "Rejects").results


RUA = "rua=mailto:reports@reports.example"


def test_a_refusal_by_policy_is_to_be_reported_once_the_domain_is_known(host: Host):
    victim = host.stranger(policy=f"reject; {RUA}; ri=18000")
    forger, message = forged(host, victim)
    assert forger.send(message, TO).begins("550 5.7.26")
    (first,) = host.evaluations(victim.domain)
    assert first.optional and first.interval_hours == 4
    facts = first.facts
    assert (facts["disposition"], facts["source_ip"], facts["envelope_to"]) == ("reject", forger.ip, "here.example")
    assert (facts["header_from"], facts["envelope_from"]) == (victim.domain, forger.domain)
    assert facts["spf_result"] == {"domain": forger.domain, "scope": "mfrom", "result": "pass"}
    assert (facts["aligned_spf"], facts["aligned_dkim"], facts["published"]["p"]) == (False, False, "reject")
    assert victim.send(victim.sign(victim.message(TO)), TO).begins("250 ")
    host.mark("bob", "$NotJunk", newest(host).uid)
    assert forger.send(forger.message(TO, From=victim.address), TO).begins("550 5.7.26")
    _, taken, refused = host.evaluations(victim.domain)
    assert not taken.optional and taken.facts["disposition"] == "none" and taken.facts["aligned_dkim"]
    assert taken.facts["dkim_results"] == [{"domain": victim.domain, "selector": "sel", "result": "pass"}]
    assert not refused.optional and refused.facts["disposition"] == "reject"


def test_what_the_junk_rules_refuse_is_not_reported(host: Host):
    ann = host.stranger(policy=f"none; {RUA}", spf="-all")
    assert ann.write(TO).begins("451 ")
    assert host.reason(TO) == "spf-policy" and host.evaluations(ann.domain) == []


def test_what_was_sampled_out_is_reported_as_taken(host: Host):
    victim = host.stranger(policy=f"quarantine; pct=0; {RUA}")
    forger, message = forged(host, victim)
    assert forger.send(message, TO).begins("250 ")
    (one,) = host.evaluations(victim.domain)
    assert one.facts["disposition"] == "none" and one.facts["overrides"] == ["sampled_out"]


def test_mail_to_the_address_of_reports_alone_makes_no_report(host: Host):
    ann = host.stranger(policy=f"none; {RUA}")
    assert ann.write("dmarcreports@here.example").begins("250 ")
    (one,) = host.evaluations(ann.domain)
    assert one.optional
