"""A newcomer's first mail, with clients nobody here wrote: the README's promises, from start to stop."""

import base64
import contextlib
import imaplib
import os
import pty
import shutil
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from imapclient import IMAPClient
from scramp import ScramClient

from tests.bundle import Bundle, wait_until


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def swaks(bundle: Bundle, service: str, *words: str) -> subprocess.CompletedProcess[str]:
    host, port = bundle.address(service)
    command = [program("swaks"), "--server", host, "--port", str(port), "--timeout", "20", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def curl(bundle: Bundle, path: str, *words: str) -> str:
    host, port = bundle.address("imaps")
    who = f"{bundle.ready['account']}:{bundle.ready['password']}"
    command = [program("curl"), "-sS", "--cacert", bundle.ready["ca_file"], "-u", who, *words]
    run = subprocess.run([*command, f"imaps://{host}:{port}/{path}"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def subjects(bundle: Bundle, mailbox: str = "INBOX") -> list[str]:
    host, port = bundle.address("imaps")
    with IMAPClient(host, port, ssl_context=bundle.tls, timeout=20) as client:
        client.login(bundle.ready["account"], bundle.ready["password"])
        client.select_folder(mailbox, readonly=True)
        found = client.fetch(client.search(), ["ENVELOPE"])
        return [(one[b"ENVELOPE"].subject or b"").decode() for one in found.values()]


Login = tuple[str, ...]


def login_words(bundle: Bundle, mechanism: str) -> Login:
    return ("--auth", mechanism, "--auth-user", bundle.ready["account"], "--auth-password", bundle.ready["password"])


def test_swaks_sends_and_curl_reads(bundle: Bundle):
    sent = swaks(
        bundle, "smtp", "--from", "me@example.org", "--to", "mailstead@localhost", "--header", "Subject: first"
    )
    assert sent.returncode == 0, sent.stdout
    text = curl(bundle, "INBOX;MAILINDEX=1")
    assert "Subject: first" in text
    assert text.startswith("Return-Path: <me@example.org>") and "\nDelivered-To: mailstead@localhost" in text


def test_an_unknown_recipient_is_taken_by_the_one_account(bundle: Bundle):
    sent = swaks(
        bundle, "smtp", "--to", "who@knows.example", "--from", "me@example.org", "--header", "Subject: unknown"
    )
    assert sent.returncode == 0, sent.stdout
    assert "unknown" in subjects(bundle)


@pytest.mark.parametrize("service", ["submission", "submissions"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_mail_to_an_outside_name_loops_back_through_the_queue(bundle: Bundle, service: str, mechanism: str):
    subject = f"out {service} {mechanism}"
    tls = "--tls" if service == "submission" else "--tls-on-connect"
    words = (tls, *login_words(bundle, mechanism), "--from", bundle.ready["account"], "--to", "x@outside.example")
    sent = swaks(bundle, service, *words, "--header", f"Subject: {subject}")
    assert sent.returncode == 0, sent.stdout
    wait_until(lambda: subject in subjects(bundle), 15, "the message came back")
    wait_until(lambda: bundle.mailctl("queue", "list") == [], 10, "an empty queue")


def scram(bundle: Bundle, password: str) -> tuple[smtplib.SMTP_SSL, int, bytes]:
    client = ScramClient(["SCRAM-SHA-256"], bundle.ready["account"], password)
    smtp = smtplib.SMTP_SSL(*bundle.address("submissions"), context=bundle.tls, timeout=20)
    smtp.ehlo()
    first = base64.b64encode(client.get_client_first().encode()).decode()
    code, challenge = smtp.docmd("AUTH", f"SCRAM-SHA-256 {first}")
    assert code == 334, challenge
    client.set_server_first(base64.b64decode(challenge).decode())
    code, final = smtp.docmd(base64.b64encode(client.get_client_final().encode()).decode())
    if code == 334:
        client.set_server_final(base64.b64decode(final).decode())
        code, final = smtp.docmd("")
    return smtp, code, final


def test_scram_proves_both_sides_and_sends(bundle: Bundle):
    smtp, code, _ = scram(bundle, bundle.ready["password"])
    with smtp:
        assert code == 235
        smtp.sendmail(bundle.ready["account"], ["y@outside.example"], b"Subject: by scram\r\n\r\ntext\r\n")
    wait_until(lambda: "by scram" in subjects(bundle), 15, "the message came back")


def test_scram_with_a_wrong_password_is_refused(bundle: Bundle):
    smtp, code, _ = scram(bundle, "wrong password")
    with smtp:
        assert code == 535


def test_msmtp_sends_with_scram(bundle: Bundle, tmp_path: Path):
    host, port = bundle.address("submission")
    command = [program("msmtp"), "--file=/dev/null", f"--host={host}", f"--port={port}", "--auth=scram-sha-256"]
    command += [f"--user={bundle.ready['account']}", "--passwordeval", f"echo {bundle.ready['password']}"]
    command += ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={bundle.ready['ca_file']}"]
    command += [f"--from={bundle.ready['account']}", "z@outside.example"]
    text = f"From: {bundle.ready['account']}\nTo: z@outside.example\nSubject: by msmtp\n\ntext\n"
    sent = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if "not compiled in" in sent.stderr or "not supported" in sent.stderr:
        pytest.skip(sent.stderr.strip())
    assert sent.returncode == 0, sent.stderr
    wait_until(lambda: "by msmtp" in subjects(bundle), 15, "the message came back")


def test_a_recipient_that_fails_for_good_is_told_to_the_sender(bundle: Bundle):
    words = ("--tls", *login_words(bundle, "PLAIN"), "--from", bundle.ready["account"])
    sent = swaks(bundle, "submission", *words, "--to", "queuepermerror@localhost", "--header", "Subject: will bounce")
    assert sent.returncode == 0, sent.stdout

    def bounced() -> list[bytes]:
        host, port = bundle.address("imaps")
        with IMAPClient(host, port, ssl_context=bundle.tls, timeout=20) as client:
            client.login(bundle.ready["account"], bundle.ready["password"])
            client.select_folder("INBOX", readonly=True)
            found = client.fetch(client.search(["HEADER", "Content-Type", "delivery-status"]), ["BODY.PEEK[]"])
            return [one[b"BODY[]"] for one in found.values()]

    wait_until(lambda: bool(bounced()), 15, "a delivery status notification")
    (text,) = bounced()
    assert b"Final-Recipient: rfc822; queuepermerror@localhost" in text
    assert b"Action: failed" in text and b"Status: 5." in text and b"will bounce" in text


@pytest.mark.parametrize(
    ("mail_from", "rcpt_to", "phase", "code"),
    [
        ("a@example.org", "x451@localhost", "DATA", 451),
        ("a@example.org", "permerror@localhost", "DATA", 550),
        ("a@example.org", "rcpttotemperror@localhost", "RCPT", 451),
        ("mailfrom550@example.org", "x@localhost", "MAIL", 550),
    ],
)
def test_localparts_simulate_failures(bundle: Bundle, mail_from: str, rcpt_to: str, phase: str, code: int):
    with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as client:
        client.ehlo()
        replies = {"MAIL": client.mail(mail_from)[0]}
        if replies["MAIL"] == 250:
            replies["RCPT"] = client.rcpt(rcpt_to)[0]
            if replies["RCPT"] == 250:
                replies["DATA"] = client.data(b"Subject: x\r\n\r\ntext\r\n")[0]
    assert list(replies)[-1] == phase and replies[phase] == code


def test_nobody_relays_without_a_login(bundle: Bundle):
    with smtplib.SMTP(*bundle.address("submission"), timeout=20) as client:
        client.ehlo()
        assert client.mail("a@example.org")[0] == 530
        client.starttls(context=bundle.tls)
        client.ehlo()
        assert client.mail("a@example.org")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(bundle.ready["account"], "wrong password")


def test_an_idle_client_hears_of_new_mail(bundle: Bundle):
    host, port = bundle.address("imaps")
    with IMAPClient(host, port, ssl_context=bundle.tls, timeout=20) as client:
        client.login(bundle.ready["account"], bundle.ready["password"])
        before = client.select_folder("INBOX")[b"EXISTS"]
        client.idle()
        with smtplib.SMTP(*bundle.address("smtp"), timeout=20) as sender:
            sender.sendmail("a@example.org", ["mailstead@localhost"], b"Subject: news\r\n\r\ntext\r\n")
        told = client.idle_check(timeout=10)
        client.idle_done()
    assert (before + 1, b"EXISTS") in told


def test_a_new_account_has_its_mailboxes(bundle: Bundle):
    with imaplib.IMAP4(*bundle.address("imap"), timeout=20) as client:
        client.starttls(bundle.tls)
        client.login(bundle.ready["account"], bundle.ready["password"])
        _, found = client.list()
    names = {bytes(line).rpartition(b" ")[2].strip(b'"').decode() for line in found if isinstance(line, bytes)}
    assert names == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"} or names == {
        "Inbox",
        "Archive",
        "Drafts",
        "Junk",
        "Sent",
        "Trash",
    }


def test_mbsync_copies_the_mailbox(bundle: Bundle, tmp_path: Path):
    host, port = bundle.address("imaps")
    (tmp_path / "mail").mkdir()
    (tmp_path / "rc").write_text(
        f"IMAPStore far\nHost localhost\nPort {port}\nUser {bundle.ready['account']}\n"
        f"Pass {bundle.ready['password']}\nSSLType IMAPS\nSystemCertificates no\n"
        f"CertificateFile {bundle.ready['ca_file']}\n\n"
        f"MaildirStore near\nPath {tmp_path}/mail/\nInbox {tmp_path}/mail/INBOX\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n"
    )
    command = [program("mbsync"), "-c", str(tmp_path / "rc"), "all"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    copied = list((tmp_path / "mail/INBOX").glob("*/*"))
    assert len(copied) == len(subjects(bundle)) > 0


def test_neomutt_opens_the_mailbox_and_reads(bundle: Bundle, tmp_path: Path):
    _, port = bundle.address("imaps")
    (tmp_path / "rc").write_text(
        f"set imap_user={bundle.ready['account']}\nset imap_pass={bundle.ready['password']}\n"
        f"set ssl_ca_certificates_file={bundle.ready['ca_file']}\nset certificate_file={bundle.ready['ca_file']}\n"
        f'set ssl_force_tls=yes\nset quit=yes\nset wait_key=no\nset spoolfile="imaps://localhost:{port}/INBOX"\n'
        # Whatever it would ask on a fresh home, so that the keys below meet the index.
        f'set folder="imaps://localhost:{port}/"\nset editor=true\n'
        f'push "<first-entry><pipe-message>cat >{tmp_path}/read<enter><exit>"\n'
    )
    command = [program("neomutt"), "-n", "-F", str(tmp_path / "rc")]
    keyboard, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        # What it draws must be taken, or it waits for ever.
        drawing = threading.Thread(target=drained, args=(keyboard,))
        drawing.start()
        try:
            wait_until(lambda: process.poll() is not None, 30, "neomutt's end")
        finally:
            process.kill()
            drawing.join()
            os.close(keyboard)
    assert "Subject: " in (tmp_path / "read").read_text()


def drained(descriptor: int) -> None:
    """Read until the other end is closed."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass


def test_killing_any_one_program_is_not_noticed_for_long(bundle: Bundle):
    for pid, command in bundle.programs():
        if "--name web" in command or "redis-server" in command:
            continue
        os.kill(pid, 9)
    wait_until(works(bundle), 30, "everything answers again")
    assert bundle.mailctl("verify")["findings"] == []


def works(bundle: Bundle) -> Callable[[], bool]:
    def tried() -> bool:
        try:
            with smtplib.SMTP(*bundle.address("smtp"), timeout=10) as client:
                client.sendmail("a@example.org", ["mailstead@localhost"], b"Subject: again\r\n\r\ntext\r\n")
            return "again" in subjects(bundle)
        except (OSError, smtplib.SMTPException, ssl.SSLError, imaplib.IMAP4.error):
            return False

    return tried


def test_a_restart_of_a_listener_keeps_connections_waiting_not_refused(bundle: Bundle):
    """Its siblings are stopped one by one; the launcher holds the sockets meanwhile."""
    parents = {pid for pid, command in bundle.programs() if "--name mx" in command}
    refused = 0
    until = time.monotonic() + 3
    for pid in sorted(parents)[1:]:
        os.kill(pid, 15)
    while time.monotonic() < until:
        try:
            with socket.create_connection(bundle.address("smtp"), timeout=10) as client:
                client.recv(100)
        except ConnectionRefusedError:
            refused += 1
        time.sleep(0.01)
    assert refused == 0
