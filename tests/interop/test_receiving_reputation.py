"""Arriving mail: what the owner's marks say of a sender, and block lists where they say nothing (features B05, B06)."""

import time
from dataclasses import replace

import pytest

from tests.receiving import Host, Stranger

OPTIONS = ("--dnsbl", "bl.example", "--dnsbl", "all.example")
TO = "bob@here.example"


@pytest.fixture(scope="module", autouse=True)
def bob(host: Host) -> None:
    """The lists are there before the first message: what is known of their health holds for hours."""
    listed = [{"A": "127.0.0.2"}]
    names = ("2.0.0.127.bl.example", "2.0.0.127.all.example", "1.0.0.127.all.example")
    host.dns.add(dict.fromkeys(names, listed))
    host.account("bob")


def list_in(host: Host, zone: str, ip: str) -> None:
    host.dns.add({".".join(reversed(ip.split("."))) + "." + zone: [{"A": "127.0.0.2"}, {"TXT": "seen in a trap"}]})


def marked(host: Host, keyword: str, stranger: Stranger, **fields: str) -> None:
    """One more message of the stranger's, which the owner marks."""
    message = stranger.message(TO, **fields)
    assert stranger.send(message, TO).begins("250 "), host.trace(TO)[0]
    host.mark("bob", keyword, host.kept("bob")[-1].uid)


def good(host: Host, stranger: Stranger, **fields: str) -> None:
    marked(host, "$NotJunk", stranger, **fields)


def junk(host: Host, stranger: Stranger, **fields: str) -> None:
    marked(host, "$Junk", stranger, **fields)


def test_an_unknown_sender_of_whom_nothing_bad_is_known_is_taken(host: Host):
    assert host.stranger().write(TO).begins("250 ")
    assert host.reason(TO) == "no-bad-signals"
    assert host.kept("bob")[-1].reason.startswith("no-bad-signals; ")


@pytest.mark.parametrize("sign", ["-", "~"])
def test_an_unknown_sender_whom_spf_does_not_know_is_put_off(host: Host, sign: str):
    reply = host.stranger(spf=f"{sign}all").write(TO)
    assert reply.begins("451 4.3.0 error processing")
    assert "spf" not in reply.text.lower()
    assert host.reason(TO) == "spf-policy"


def test_one_slip_of_the_finger_condemns_nobody_and_two_do(host: Host):
    ann = host.stranger()
    good(host, ann)
    good(host, ann)
    junk(host, ann)
    assert ann.write(TO).begins("250 ") and host.reason(TO) == "msgfromfull"
    junk(host, ann)
    assert ann.write(TO).begins("451 4.3.0") and host.reason(TO) == "msgfromfull"


def test_a_forger_neither_gains_nor_harms_the_name_of_a_good_sender(host: Host):
    ann = host.stranger()
    good(host, ann)
    forger = host.stranger()
    assert forger.send(forger.message(TO, From=ann.address), TO).begins("250 ")
    assert host.reason(TO) == "no-bad-signals"
    assert "inconclusive junk" in host.kept("bob")[-1].reason
    host.mark("bob", "$Junk", host.kept("bob")[-1].uid)
    assert ann.write(TO).begins("250 ") and host.reason(TO) == "msgfromfull"


def test_a_forger_of_a_bad_sender_is_put_off(host: Host):
    ann = host.stranger()
    junk(host, ann)
    forger = host.stranger()
    assert forger.send(forger.message(TO, From=ann.address), TO).begins("451 ")
    assert host.reason(TO) == "msgfromfull"


def test_whom_the_owner_wrote_to_is_taken_and_so_is_his_domain(host: Host):
    ann = host.stranger()
    host.wrote_to("bob", ann.address)
    assert ann.write(TO).begins("250 ") and host.reason(TO) == "msgtofull"
    assert ann.write(TO, From=f"eve@{ann.domain}").begins("250 ") and host.reason(TO) == "msgtodomain"


def test_three_who_send_junk_condemn_a_domain_and_one_does_not(host: Host):
    ann = host.stranger()
    for name in ("a", "b"):
        junk(host, ann, From=f"{name}@{ann.domain}")
    assert ann.write(TO, From=f"x@{ann.domain}").begins("250 ") and host.reason(TO) == "no-bad-signals"
    host.mark("bob", "$Junk", host.kept("bob")[-1].uid)
    assert ann.write(TO, From=f"y@{ann.domain}").begins("451 ") and host.reason(TO) == "msgfromdomain"


@pytest.mark.parametrize(("hams", "verdict"), [(9, "conclusive ham"), (8, "inconclusive nothing")])
def test_more_than_eighty_of_a_hundred_make_a_good_domain(host: Host, hams: int, verdict: str):
    ann = host.stranger()
    for number in range(10):
        (good if number < hams else junk)(host, ann, From=f"n{number}@{ann.domain}")
    assert ann.write(TO, From=f"new@{ann.domain}").begins("250 ")
    assert f"reputation by msgfromdomain: {verdict}" in host.kept("bob")[-1].reason


def test_who_signs_is_known_under_any_author(host: Host):
    service = host.stranger()

    def mail() -> bytes:
        author = host.stranger(spf="", key=False)
        return service.sign(author.message(TO))

    def sent(mail_from: str = "") -> bool:
        # Each from another network: only the signature is the same.
        return replace(service, ip=host.stranger().ip).send(mail(), TO, mail_from=mail_from).code == 250

    assert sent()
    host.mark("bob", "$Junk", host.kept("bob")[-1].uid)
    assert sent() and "reputation by dkimspf: inconclusive junk" in host.kept("bob")[-1].reason
    host.mark("bob", "$Junk", host.kept("bob")[-1].uid)
    assert not sent() and host.reason(TO) == "dkimspf"


def test_a_network_is_known_by_what_came_from_it(host: Host):
    first = host.stranger(spf="", key=False)
    network = first.ip.rpartition(".")[0]

    def another(last: int) -> Stranger:
        return replace(host.stranger(spf="", key=False), ip=f"{network}.{last}")

    junk(host, first)
    junk(host, another(7))
    assert another(7).write(TO).begins("451 ") and host.reason(TO) == "ip1"
    for last in (8, 9, 10):
        junk(host, another(last))
    assert another(11).write(TO).begins("451 ") and host.reason(TO) == "ip2"


def test_a_bad_sign_is_enough_where_the_address_has_no_name_of_its_own(host: Host):
    eve = host.stranger(spf="", key=False, iprev=False)
    neighbour = replace(host.stranger(spf="", key=False), ip=eve.ip.rpartition(".")[0] + ".9")
    junk(host, neighbour)
    assert eve.write(TO).begins("451 ") and host.reason(TO) == "iprev"


def test_a_listed_client_whom_nobody_knows_is_put_off(host: Host):
    ann = host.stranger()
    list_in(host, "bl.example", ann.ip)
    assert ann.write(TO).begins("451 4.3.0 error processing") and host.reason(TO) == "dns-blocklisted"
    assert "bl.example" in host.kept("bob", "Rejects")[-1].reason


def test_a_list_that_lists_everything_is_not_believed(host: Host):
    ann = host.stranger()
    list_in(host, "all.example", ann.ip)
    assert ann.write(TO).begins("250 ") and host.reason(TO) == "no-bad-signals"


def test_a_listed_client_whom_the_owner_knows_is_taken(host: Host):
    ann = host.stranger()
    list_in(host, "bl.example", ann.ip)
    host.wrote_to("bob", ann.address)
    assert ann.write(TO).begins("250 ")


def test_who_brought_junk_hears_of_it_at_once_and_all_else_slowly(host: Host):
    ann = host.stranger(spf="-all")
    with ann.host.smtp(ann.ip) as client:
        client.mail(ann.address)
        client.rcpt(TO)
        begun = time.monotonic()
        assert client.data(ann.message(TO))[0] == 451
        assert time.monotonic() - begun < 1
        begun = time.monotonic()
        assert client.noop()[0] == 250
        assert time.monotonic() - begun >= 3
        client.close()
