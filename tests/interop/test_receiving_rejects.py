"""Arriving mail: rulesets, and where what we refuse is kept (features B05, B08; features-1 §16)."""

import pytest
from sqlalchemy import select, update

from mail.store import schema as tables
from tests.receiving import Host, Stranger

DAY_MS = 86_400_000


@pytest.fixture(scope="module", autouse=True)
def accounts(host: Host) -> None:
    """All at once, as every change of addresses takes a second to be known."""
    for name in ("bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "ken", "leo"):
        host.account(name)


def refused(host: Host) -> Stranger:
    """Somebody whose mail is put off by whoever does not know him."""
    return host.stranger(spf="~all")


def test_what_is_refused_is_kept_once_and_as_read(host: Host):
    to = "bob@here.example"
    ann = refused(host)
    message = ann.message(to)
    for _ in range(2):
        assert ann.send(message, to).begins("451 4.3.0 error processing")
    (kept,) = host.kept("bob", "Rejects")
    assert "\\Seen" in kept.flags and "$Junk" not in kept.flags
    assert kept.reason.startswith("spf-policy; ") and kept.values("Delivered-To") == [to]
    assert host.kept("bob") == []
    # By its octets, where there is no Message-ID.
    nameless = ann.message(to, Message_ID="")
    for _ in range(2):
        assert ann.send(nameless, to).begins("451 ")
    assert len(host.kept("bob", "Rejects")) == 2


def test_a_copy_goes_when_the_message_is_taken_after_all(host: Host):
    to = "carol@here.example"
    ann = refused(host)
    message = ann.message(to)
    assert ann.send(message, to).begins("451 ")
    host.wrote_to("carol", ann.address)
    assert ann.send(message, to).begins("250 ")
    assert len(host.kept("carol")) == 1 and host.kept("carol", "Rejects") == []


def test_who_is_moved_out_of_rejects_is_unread_and_known_from_then_on(host: Host):
    to = "dave@here.example"
    ann = refused(host)
    assert ann.write(to).begins("451 ")
    host.move("dave", "Rejects", "INBOX", host.kept("dave", "Rejects")[0].uid)
    (rescued,) = host.kept("dave")
    assert "\\Seen" not in rescued.flags and host.kept("dave", "Rejects") == []
    host.mark("dave", "$NotJunk", rescued.uid)
    assert ann.write(to).begins("250 ")


def age_rejects(host: Host, account: str, days: int) -> None:
    """Time travel: what lies in Rejects came so many days earlier."""
    owner = select(tables.account.c.id).where(tables.account.c.name == account).scalar_subquery()
    columns = tables.mailbox.c
    place = select(columns.id).where(columns.account_id == owner, columns.name == "Rejects").scalar_subquery()
    with host.store() as store, store.write() as tx:
        earlier = tables.message.c.saved_at - days * DAY_MS
        tx.execute(update(tables.message).where(tables.message.c.mailbox_id == place).values(saved_at=earlier))


@pytest.mark.parametrize(("name", "keeps"), [("erin", False), ("frank", True)])
def test_after_two_weeks_a_refusal_is_forgotten_unless_it_is_to_be_kept(host: Host, name: str, keeps: bool):
    if keeps:
        host.mailctl("account", "set", name, "--keep-rejects")
    to = f"{name}@here.example"
    assert refused(host).write(to, "old").begins("451 ")
    age_rejects(host, name, 15)
    assert refused(host).write(to, "new").begins("451 ")
    found = [one.values("Subject")[0] for one in host.kept(name, "Rejects")]
    assert found == (["old", "new"] if keeps else ["new"])


def test_a_full_rejects_takes_no_more_until_it_is_to_keep_all(host: Host):
    with host.imap("grace") as client:
        client.create_folder("Rejects")
        client.append("Rejects", b"Subject: x\r\n\r\n")
        client.select_folder("Rejects")
        while len(found := client.search()) < 1000:
            client.copy(found[: 1000 - len(found)], "Rejects")
    assert refused(host).write("grace@here.example").begins("451 ")
    assert len(host.kept("grace", "Rejects")) == 1000
    host.mailctl("account", "set", "grace", "--keep-rejects")
    assert refused(host).write("grace@here.example").begins("451 ")
    assert len(host.kept("grace", "Rejects")) == 1001


def test_what_is_refused_is_not_kept_where_there_is_no_mailbox_for_it(host: Host):
    host.mailctl("account", "set", "leo", "--rejects-mailbox", "")
    assert refused(host).write("leo@here.example").begins("451 ")
    assert host.kept("leo", "Rejects") == []


def test_a_ruleset_may_take_what_would_be_refused(host: Host):
    to = "heidi@here.example"
    host.mailctl("ruleset", "add", to, "--header", "subject=newsletter", "--accept-rejects-to", "Doubtful")
    ann = refused(host)
    assert ann.write(to, "Our Newsletter").begins("250 ")
    (taken,) = host.kept("heidi", "Doubtful")
    assert "\\Seen" in taken.flags and "$Junk" not in taken.flags
    assert taken.reason.startswith("spf-policy; ") and "because a ruleset says so" in taken.reason
    assert host.kept("heidi") == [] and host.kept("heidi", "Rejects") == []
    assert ann.write(to, "Hello").begins("451 ")
    assert len(host.kept("heidi", "Rejects")) == 1
    # Moved out it is unread, and makes the history of where it would have gone.
    host.move("heidi", "Doubtful", "INBOX", taken.uid)
    (rescued,) = host.kept("heidi")
    assert "\\Seen" not in rescued.flags
    host.mark("heidi", "$NotJunk", rescued.uid)
    assert ann.write(to, "Hello").begins("250 ")


def test_a_ruleset_that_takes_rejects_changes_what_is_reported(host: Host):
    to = "ivan@here.example"
    host.mailctl("ruleset", "add", to, "--from-regexp", "@", "--accept-rejects-to", "Doubtful")
    rua = "rua=mailto:reports@reports.example"
    victim, forger = host.stranger(policy=f"reject; {rua}"), host.stranger()
    assert forger.send(forger.message(to, From=victim.address), to).begins("250 ")
    (one,) = host.evaluations(victim.domain)
    assert one.facts["disposition"] == "none"
    junk = host.stranger(policy=f"none; {rua}", spf="~all")
    assert junk.write(to).begins("250 ")
    assert len(host.kept("ivan", "Doubtful")) == 2 and host.evaluations(junk.domain) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--from-regexp", "a", "--accept-rejects-to", "iNbOx"),
        ("--from-regexp", "a", "--accept-rejects-to", "Cafe\u0301"),
        ("--mailbox", "Lists"),
        ("--from-regexp", "a", "--mailbox", ""),
        ("--from-regexp", "("),
        ("--forward", "--verified-domain", "a.example"),
    ],
    ids=["the inbox", "not NFC", "no condition", "no mailbox", "no expression", "half a forward"],
)
def test_a_ruleset_that_cannot_be_is_not_made(host: Host, words: tuple[str, ...]):
    with pytest.raises(Exception, match=r"ruleset|mailbox|expression|inbox"):
        host.mailctl("ruleset", "add", "ken@here.example", *words)
    assert host.mailctl("ruleset", "list", "ken@here.example") == []


def test_a_mailing_list_the_owner_trusts_is_taken_whatever_its_authors_policy_says(host: Host):
    to = "judy@here.example"
    robot = host.stranger()
    rule = ("--verified-domain", robot.domain, "--list-domain", robot.domain, "--mailbox", "Lists")
    host.mailctl("ruleset", "add", to, *rule)
    author = host.stranger(policy="reject; rua=mailto:reports@reports.example")
    assert robot.send(author.message(to), to).begins("250 ")
    assert host.reason(to) == "list-allow" and len(host.kept("judy", "Lists")) == 1
    (one,) = host.evaluations(author.domain)
    assert one.facts["disposition"] == "none" and one.facts["overrides"] == ["mailing_list"]
    forger = host.stranger()
    assert forger.send(author.message(to), to).begins("550 5.7.26")


def test_a_forwarder_the_owner_trusts_may_bring_anything_and_is_not_blamed(host: Host):
    to = "ken@here.example"
    forwarder = host.stranger()
    rule = ("--forward", "--mail-from-regexp", f"@{forwarder.domain}$", "--verified-domain", forwarder.domain)
    host.mailctl("ruleset", "add", to, *rule)
    for _ in range(3):
        author = host.stranger(policy="reject; rua=mailto:reports@reports.example")
        assert forwarder.send(author.message(to), to).begins("250 "), host.trace(to)[0]
        host.mark("ken", "$Junk", host.kept("ken")[-1].uid)
    assert host.evaluations(author.domain)[0].facts["overrides"] == ["forwarded"]
    # Neither his network nor his name has become known for junk.
    neighbour = host.stranger(spf="", key=False)
    assert forwarder.send(neighbour.message(to), to).begins("250 ")
    assert "reputation by none" in host.kept("ken")[-1].reason
    assert forwarder.write(to, From=f"other@{forwarder.domain}").begins("250 ")
