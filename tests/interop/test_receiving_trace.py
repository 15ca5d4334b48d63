"""What happened to a message and why: the administrator's answers for every way it can go (features B14, B22)."""

import pytest

from mail.metrics import merged, read_all
from tests.bundle import wait_until
from tests.receiving import Host

OPTIONS = ("--refuse-unknown",)


@pytest.fixture(scope="module", autouse=True)
def accounts(host: Host) -> None:
    for name in ("bob", "carol", "dave", "erin"):
        host.account(name)


def sentence(host: Host, address: str) -> str:
    (row,) = host.trace(address)
    return str(row["sentence"])


def test_a_message_that_was_accepted(host: Host):
    ann = host.stranger()
    assert ann.write("bob@here.example").begins("250 ")
    told = sentence(host, ann.address)
    assert told.startswith("Accepted into Inbox of bob@here.example on ")
    assert told.endswith(f" from {ann.ip} (client.example): nothing speaks against it.")


def test_a_message_that_was_rejected(host: Host):
    ann = host.stranger(spf="~all")
    assert ann.write("bob@here.example").begins("451 ")
    told = sentence(host, ann.address)
    assert told.startswith("Refused for bob@here.example on ")
    assert told.endswith(
        f"with 451 4.3.0: SPF softfail for {ann.domain}, and nothing is known about the author. A copy is in Rejects."
    )


def test_a_message_that_a_ruleset_put_aside(host: Host):
    ann = host.stranger(spf="~all")
    host.mailctl("ruleset", "add", "carol@here.example", "--from-regexp", "@", "--accept-rejects-to", "Suspicious")
    assert ann.write("carol@here.example").begins("250 ")
    told = sentence(host, ann.address)
    assert told.startswith("Put into Suspicious of carol@here.example on ")
    assert "we would have refused it: SPF softfail" in told
    assert told.endswith("taken into Suspicious because a ruleset says so.")


def test_a_message_that_others_took(host: Host):
    ann = host.stranger(spf="~all")
    host.wrote_to("dave", ann.address)
    both = ("dave@here.example", "erin@here.example")
    assert ann.send(ann.message(both[0]), *both).begins("250 ")
    told = {row["rcpt_to"]: row["sentence"] for row in host.trace(ann.address)}
    assert told[both[0]].startswith("Accepted into Inbox of dave@here.example")
    assert told[both[1]].startswith("Put into Rejects of erin@here.example")
    assert told[both[1]].endswith("put into Rejects, as another recipient takes the message.")


def test_a_message_that_never_came(host: Host):
    ann = host.stranger()
    assert ann.write("nobody@here.example").begins("550 5.1.1")
    wait_until(lambda: bool(host.trace(ann.address)), 10, "the refusal is in the trace")
    told = sentence(host, ann.address)
    assert told.startswith("Never reached us: refused at RCPT for nobody@here.example on ")
    assert told.endswith("with 550 5.1.1: there is no such address here.")


def test_a_message_that_could_not_be_stored(host: Host):
    ann = host.stranger()
    host.bundle.supervisorctl("stop", "keeper")
    try:
        assert ann.write("bob@here.example").begins("451 4.3.0")
    finally:
        host.bundle.supervisorctl("start", "keeper")
    wait_until(lambda: bool(host.trace(ann.address)), 20, "the refusal is in the trace")
    told = sentence(host, ann.address)
    assert (
        told.startswith("Put off for bob@here.example on ") and "with 451 4.3.0: it had come and could not be" in told
    )


def test_decisions_are_counted(host: Host):
    assert host.stranger(spf="~all").write("bob@here.example").begins("451 ")
    found = merged(read_all(host.settings.metrics_dir)).decode()
    counted = [line for line in found.splitlines() if line.startswith("mailstead_incoming_total{")]
    assert any('reason="spf-policy",action="reject"' in line and 'program="keeper"' in line for line in counted)


def test_what_was_decided_is_decided_again_and_comes_out_the_same(host: Host):
    ann = host.stranger(iprev=False)
    assert ann.write("bob@here.example").begins("451 ")
    assert host.reason(ann.address) == "junk-content-strict"
    same = host.mailctl("junk", "whatif", "--threshold", "0.95")
    assert same["decided"] >= 1 and same["changes"] == []
    other = host.mailctl("junk", "whatif", "--threshold", "0.1", "--account", "bob")
    assert (other["changes"][0]["reason"], other["changes"][0]["new_reason"]) == ("junk-content-strict", "junk-content")
