"""What users send leaves signed for the domain of its author: features S07, security MA-1. On a running bundle with a
DNS of its own, and a sink that takes what leaves.
"""

import json
import re
import smtplib
import threading
from pathlib import Path
from typing import Any

import dkim
import pytest

from mail.errors import Invalid
from tests.bundle import kill, wait_until
from tests.deliver_sink import Sink
from tests.receiving import PASSWORD, Host, text

WITH_SINK = True
FAR = "bob@far.example"


@pytest.fixture(scope="module")
def mjl(host: Host) -> str:
    """An account with addresses in two domains that sign, and in one that does not. The keys are published."""
    host.account("mjl", "mjl@mox.example", "mjl@mox2.example", "mjl@plain.example")
    for one in host.mailctl("dkim", "list", "plain.example"):
        host.mailctl("dkim", "retire", "plain.example", one["selector"], "--force")
    for domain in ("mox.example", "mox2.example"):
        publish(host, host.mailctl("dkim", "list", domain))
    return "mjl@mox.example"


def publish(host: Host, keys: list[dict[str, Any]]) -> None:
    host.dns.add({one["name"]: text(one["record"]) for one in keys})


def client(host: Host, login: str) -> smtplib.SMTP_SSL:
    host.wait_for_changes()
    made = smtplib.SMTP_SSL(*host.bundle.address("submissions"), context=host.bundle.tls, timeout=60)
    made.login(login, PASSWORD)
    return made


def letter(author: str, subject: str, *more: str) -> bytes:
    lines = [f"From: Mjl <{author}>", f"To: {FAR}", f"Subject: {subject}", *more, "", "Some words.", ""]
    return "\r\n".join(lines).encode()


def sent(host: Host, sink: Sink, login: str, message: bytes) -> bytes:
    """Submit it, and see how it arrives."""
    before = len(sink.messages)
    with client(host, login) as smtp:
        smtp.sendmail(login, [FAR], message)
    wait_until(lambda: len(sink.messages) > before, 20, "it arrives")
    return sink.messages[-1]


def signers(message: bytes) -> list[str]:
    header = message.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").decode()
    return re.findall(r"^DKIM-Signature: .* d=([a-z0-9.-]+);", header, re.MULTILINE)


def checked(host: Host, message: bytes, folder: Path) -> list[dict[str, Any]]:
    """What `mailctl diagnose dkim` says of it."""
    (folder / "message.eml").write_bytes(message)
    zone = json.loads((host.dns._path).read_text())
    (folder / "zone.json").write_text(json.dumps({name: rows for name, rows in zone.items() if name}))
    found: list[dict[str, Any]] = host.mailctl(
        "diagnose", "dkim", str(folder / "message.eml"), "--zone", str(folder / "zone.json")
    )
    return found


def dkimpy_verifies(host: Host, message: bytes) -> list[bool]:
    """Each signature, of either kind of key."""
    zone = json.loads((host.dns._path).read_text())

    def txt(name: bytes, timeout: int = 5) -> bytes:
        return str(zone[name.decode().rstrip(".")][0]["TXT"]).encode()

    def verifies(place: int) -> bool:
        try:
            return bool(dkim.DKIM(message).verify(place, dnsfunc=txt))
        except dkim.ValidationError:
            return False

    return [verifies(place) for place in range(len(signers(message)))]


def test_the_domain_of_the_author_signs_and_no_other(host: Host, sink: Sink, mjl: str, tmp_path: Path):
    """S07 checks 1 and 2."""
    message = sent(host, sink, mjl, letter("mjl@mox2.example", "aligned"))
    assert signers(message) == ["mox2.example"] * 2
    found = checked(host, message, tmp_path)
    assert [(one["result"], one["identity"]) for one in found] == [("pass", "mjl@mox2.example")] * 2
    assert {one["algorithm"] for one in found} == {"rsa-sha256", "ed25519-sha256"}
    assert dkimpy_verifies(host, message) == [True, True]


def test_a_domain_without_keys_sends_unsigned(host: Host, sink: Sink, mjl: str):
    """S07 check 3."""
    assert signers(sent(host, sink, mjl, letter("mjl@plain.example", "unsigned"))) == []


@pytest.mark.parametrize("field", ["Subject: other", "From: <x@evil.example>", "Content-Type: text/html"])
def test_a_second_field_breaks_the_signature(host: Host, sink: Sink, mjl: str, tmp_path: Path, field: str):
    """S07 check 4, MA-1."""
    message = sent(host, sink, mjl, letter("mjl@mox.example", "sealed", "Content-Type: text/plain"))
    assert [one["result"] for one in checked(host, message, tmp_path)] == ["pass", "pass"]
    for changed in (field.encode() + b"\r\n" + message, message + b"more\r\n"):
        assert [one["result"] for one in checked(host, changed, tmp_path)] == ["fail", "fail"]
        assert dkimpy_verifies(host, changed) == [False, False]


def test_a_receiver_finds_it_aligned(host: Host, sink: Sink, mjl: str):
    """S07 check 5: the message goes on to another host, which is this one, from an address no SPF allows."""
    host.dns.add({"_dmarc.mox2.example": text("v=DMARC1; p=reject"), "mox2.example": text("v=spf1 -all")})
    message = sent(host, sink, mjl, letter("mjl@mox2.example", "received"))
    ann = host.account("ann", "ann@receiver.example")
    reply = host.send(message, ann, mail_from=mjl, ip="127.9.9.9")
    assert reply.code == 250, reply
    (kept,) = host.kept("ann")
    assert "dkim=pass" in kept.results and "header.d=mox2.example" in kept.results
    assert "dmarc=pass" in kept.results


def test_what_we_add_is_signed(host: Host, sink: Sink, mjl: str, tmp_path: Path):
    """S07 check 6."""
    message = sent(host, sink, mjl, letter("mjl@mox.example", "bare"))
    assert b"\r\nMessage-ID: <" in message and b"\r\nDate: " in message
    for one in checked(host, message, tmp_path):
        assert one["result"] == "pass" and {"message-id", "date"} <= set(one["signed_fields"])
    changed = re.sub(rb"(?m)^Message-ID: .*\r$", b"Message-ID: <1@evil.example>\r", message)
    assert [one["result"] for one in checked(host, changed, tmp_path)] == ["fail", "fail"]


def test_keys_are_replaced_once_the_dns_has_the_new_ones(host: Host, sink: Sink, mjl: str, tmp_path: Path):
    host.account("turn", "turn@turning.example")
    publish(host, host.mailctl("dkim", "list", "turning.example"))
    before = sent(host, sink, "turn@turning.example", letter("turn@turning.example", "before"))
    coming = host.mailctl("dkim", "rotate", "turning.example")["keys"]
    publish(host, coming[:1])
    with pytest.raises(Invalid) as refused:
        host.mailctl("dkim", "rotate", "turning.example")
    assert coming[1]["zone"] in refused.value.public and coming[0]["zone"] not in refused.value.public
    publish(host, coming)
    assert host.mailctl("dkim", "rotate", "turning.example")["activated"]
    after = sent(host, sink, "turn@turning.example", letter("turn@turning.example", "after"))
    found = checked(host, after, tmp_path)
    assert {one["selector"] for one in found} == {one["selector"] for one in coming}
    # What was signed with the old ones still verifies.
    assert [one["result"] for one in (*found, *checked(host, before, tmp_path))] == ["pass"] * 4


def pids_of_sign(host: Host) -> set[int]:
    return {pid for pid, command in host.bundle.programs() if "--name sign" in command}


@pytest.mark.faults
def test_no_kill_of_the_sign_process_lets_anything_out_unsigned(host: Host, sink: Sink, mjl: str):
    """Users wait while it starts again, or are told 451 4.7.5; what is taken is signed (security §3.7)."""
    before, replies, ended = len(sink.messages), [], threading.Event()

    def submit(number: int) -> None:
        with client(host, mjl) as smtp:
            while not ended.is_set():
                try:
                    smtp.sendmail(mjl, [FAR], letter("mjl@mox.example", f"storm {number}"))
                    replies.append((250, ""))
                except smtplib.SMTPDataError as error:
                    replies.append((error.smtp_code, error.smtp_error.decode()[:5]))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    killed = set()
    for _ in range(4):
        wait_until(lambda: bool(pids_of_sign(host) - killed), 20, "sign is there again")
        pid = (pids_of_sign(host) - killed).pop()
        taken = len(replies)
        wait_until(lambda taken=taken: len(replies) > taken + 10, 20, "mail goes on")
        assert kill(pid)
        killed.add(pid)
    taken = len(replies)
    wait_until(lambda: len(replies) > taken + 10, 20, "mail goes on")
    ended.set()
    for thread in threads:
        thread.join()
    assert {reply for reply in replies if reply[0] != 250} <= {(451, "4.7.5")}
    accepted = sum(reply[0] == 250 for reply in replies)
    wait_until(lambda: len(sink.messages) - before == accepted, 30, "all that was taken arrives")
    assert all(signers(one) == ["mox.example"] * 2 for one in sink.messages[before:])


@pytest.mark.faults
def test_while_there_is_no_sign_process_users_are_told_to_try_again(host: Host, sink: Sink, mjl: str):
    host.bundle.supervisorctl("stop", "sign")
    try:
        with client(host, mjl) as smtp:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                smtp.sendmail(mjl, [FAR], letter("mjl@mox.example", "not now"))
            assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (451, b"4.7.5")
            # Who has no keys does not need it.
            smtp.sendmail("mjl@plain.example", [FAR], letter("mjl@plain.example", "plain"))
    finally:
        host.bundle.supervisorctl("start", "sign")
    with client(host, mjl) as smtp:
        smtp.sendmail(mjl, [FAR], letter("mjl@mox.example", "now"))
