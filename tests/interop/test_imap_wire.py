"""IMAP from outside: what a session is told, what two of them are told of each other, and what garbage does to them."""

import itertools
import random
import re
from collections.abc import Iterator

import pytest

from tests.bundle import Bundle
from tests.wire import Wire

SOURCES = itertools.count(1)
MESSAGE = (
    b"From: Ann <ann@example.org>\r\nTo: bob@localhost\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Tue, 24 Nov 2026 10:00:00 +0100\r\nMessage-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n--b\r\nContent-Type: image/png; name=x.png\r\n"
    b"Content-Disposition: attachment\r\n\r\nPNG\r\n--b--\r\n"
)


def connect(bundle: Bundle) -> Wire:
    step = next(SOURCES)
    wire = Wire(bundle.address("imaps"), source=f"127.{100 + step % 100}.{8 * (step % 30)}.1")
    wire.start_tls(bundle.tls)
    assert wire.line().startswith(b"* OK [CAPABILITY IMAP4rev2 IMAP4rev1 ")
    return wire


def log_in(bundle: Bundle) -> Wire:
    wire = connect(bundle)
    account, password = bundle.ready["account"], bundle.ready["password"]
    assert wire.tagged(f'LOGIN "{account}" "{password}"'.encode())[-1].startswith(b"a OK [CAPABILITY ")
    return wire


@pytest.fixture
def wire(bundle: Bundle) -> Iterator[Wire]:
    with log_in(bundle) as made:
        yield made


@pytest.fixture
def mailbox(wire: Wire) -> Iterator[bytes]:
    """A mailbox of its own for each test, selected, with three messages. Neutral: its name gives them no junk flag."""
    name = b"Neutral%d" % next(SOURCES)
    assert wire.tagged(b"CREATE " + name)[-1].startswith(b"a OK")
    for number in range(3):
        append(wire, name, MESSAGE % number)
    assert wire.tagged(b"SELECT " + name)[-1].startswith(b"a OK [READ-WRITE]")
    yield name


def append(wire: Wire, mailbox: bytes, message: bytes, flags: bytes = b"") -> list[bytes]:
    return wire.tagged(b"APPEND %b %b{%d+}\r\n%b" % (mailbox, flags, len(message), message))


def fetched(wire: Wire, what: bytes) -> bytes:
    lines = wire.tagged(what)
    assert lines[-1].startswith(b"a OK"), lines
    return b"\r\n".join(lines[:-1])


def test_a_new_account_has_its_six_mailboxes_with_their_uses(wire: Wire) -> None:
    lines = wire.tagged(b'LIST "" * RETURN (SPECIAL-USE SUBSCRIBED)')
    listed = {line.rsplit(b'"/" ', 1)[1].strip(b'"'): line for line in lines[:-1]}
    for name in (b"Inbox", b"Archive", b"Drafts", b"Junk", b"Sent", b"Trash"):
        assert b"\\Subscribed" in listed[name]
        assert name == b"Inbox" or b"\\" + name in listed[name]


def test_select_tells_everything_a_client_needs(wire: Wire, mailbox: bytes) -> None:
    lines = b"\n".join(wire.tagged(b"SELECT " + mailbox))
    assert (
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded $Junk $NotJunk $Phishing $MDNSent)" in lines
    )
    assert re.search(rb"\* OK \[PERMANENTFLAGS \([^)]* \\\*\)\]", lines)
    assert b"* 3 EXISTS" in lines
    assert re.search(rb"\* OK \[UIDVALIDITY [0-9]+\]", lines)
    assert b"* OK [UIDNEXT 4]" in lines


def test_fetch_gives_the_octets_that_were_stored(wire: Wire, mailbox: bytes) -> None:
    assert MESSAGE % 0 in fetched(wire, b"FETCH 1 BODY.PEEK[]")
    assert b"BODY[1] {12}\r\nR3LDvMOfZQ==" in fetched(wire, b"FETCH 1 BODY.PEEK[1]")
    assert b"BINARY[1] {8}\r\nGr\xc3\xbc\xc3\x9fe".replace(b"{8}", b"{7}") in fetched(wire, b"FETCH 1 BINARY.PEEK[1]")
    assert b"BINARY.SIZE[1] 7" in fetched(wire, b"FETCH 1 BINARY.SIZE[1]")
    assert b"BODY[2.MIME] " in fetched(wire, b"FETCH 1 BODY.PEEK[2.MIME]")
    assert b"BODY[1.1] NIL" in fetched(wire, b"FETCH 1 BODY.PEEK[1.1]")
    assert b"BODY[9] NIL" in fetched(wire, b"FETCH 1 BODY.PEEK[9]")
    assert b"BODY[]<2> {3}\r\nom:" in fetched(wire, b"FETCH 1 BODY.PEEK[]<2.3>")
    fields = fetched(wire, b"FETCH 1 BODY.PEEK[HEADER.FIELDS (From To)]")
    assert fields.endswith(b"From: Ann <ann@example.org>\r\nTo: bob@localhost\r\n\r\n)")


def test_envelope_and_structure_are_those_of_the_message(wire: Wire, mailbox: bytes) -> None:
    answer = fetched(wire, b"FETCH 2 (ENVELOPE BODYSTRUCTURE BODY)")
    assert b'(("Ann" NIL "ann" "example.org"))' in answer
    assert b'("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "BASE64" 12 0 NIL NIL NIL NIL)' in answer
    assert b'"IMAGE" "PNG" ("NAME" "x.png") NIL NIL "7BIT" 3 NIL ("ATTACHMENT" NIL) NIL NIL' in answer
    assert answer.endswith(
        b'BODY (("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "BASE64" 12 0)("IMAGE" "PNG" '
        b'("NAME" "x.png") NIL NIL "7BIT" 3) "MIXED"))'
    )


def test_reading_a_body_marks_it_seen_in_the_same_answer(wire: Wire, mailbox: bytes) -> None:
    assert b"FLAGS (\\Seen)" in fetched(wire, b"FETCH 1 BODY[TEXT]")
    assert b"FLAGS (\\Seen)" in fetched(wire, b"FETCH 1 FLAGS")


def test_keywords_follow_features_s03(wire: Wire, mailbox: bytes) -> None:
    wire.tagged(b"STORE 1 FLAGS (new new a b c)")
    wire.tagged(b"STORE 1 +FLAGS (new new c d e)")
    wire.tagged(b"STORE 1 -FLAGS (new new e a c)")
    assert b"FLAGS (b d)" in fetched(wire, b"FETCH 1 FLAGS")
    assert b"FLAGS ($Forwarded different)" in b"\n".join(wire.tagged(b"STORE 1 FLAGS ($Forwarded Different)"))
    assert wire.tagged(b"STORE 1 +FLAGS (\\bogus)")[-1].startswith(b"a BAD")
    assert fetched(wire, b"SEARCH KEYWORD DIFFERENT") == b"* SEARCH 1"
    assert fetched(wire, b"SEARCH UNKEYWORD different") == b"* SEARCH 2 3"
    wire.tagged(b"COPY 1 Trash")
    assert any(b"different" in line for line in wire.tagged(b"EXAMINE Trash") if line.startswith(b"* FLAGS"))


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        (b"ALL", b" 1 2 3"),
        (b"SUBJECT gr\xc3\xbc\xc3\x9fe".replace(b"gr\xc3\xbc\xc3\x9fe", b"{7+}\r\ngr\xc3\xbc\xc3\x9fe"), b" 1 2 3"),
        (b"FROM ann@EXAMPLE.org", b" 1 2 3"),
        (b"TO nobody", b""),
        (b"TEXT {7+}\r\nGR\xc3\xbc\xc3\x9fE", b" 1 2 3"),
        (b"BODY absent", b""),
        (b"HEADER Message-ID 2@", b" 3"),
        (b"OR UID 1 UID 3", b" 1 3"),
        (b"NOT (OR 1 2)", b" 3"),
        (b"SENTON 24-Nov-2026", b" 1 2 3"),
        (b"SENTBEFORE 24-Nov-2026", b""),
        (b"SINCE 1-Jan-2020 SMALLER 100000 UNSEEN", b" 1 2 3"),
        (b"LARGER 100000", b""),
        (b"RECENT", b""),
        (b"4294967295:*", b" 3"),
    ],
)
def test_search_finds_what_its_keys_say(wire: Wire, mailbox: bytes, keys: bytes, numbers: bytes) -> None:
    assert fetched(wire, b"SEARCH " + keys) == b"* SEARCH" + numbers


def test_extended_search_returns_and_saves(wire: Wire, mailbox: bytes) -> None:
    assert fetched(wire, b"SEARCH RETURN (MIN MAX COUNT) ALL") == b'* ESEARCH (TAG "a") MIN 1 MAX 3 COUNT 3'
    assert fetched(wire, b"UID SEARCH RETURN () 2:3") == b'* ESEARCH (TAG "a") UID ALL 2:3'
    assert fetched(wire, b"SEARCH RETURN (SAVE) 2:3") == b""
    assert fetched(wire, b"FETCH $ UID") == b"* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)"
    assert wire.tagged(b"SEARCH CHARSET KOI8-R ALL")[-1].startswith(b"a NO [BADCHARSET")


def test_copy_move_and_expunge_say_the_uids(wire: Wire, mailbox: bytes) -> None:
    target = b"Box%d" % next(SOURCES)
    assert wire.tagged(b"COPY 1 " + target)[-1].startswith(b"a NO [TRYCREATE]")
    wire.tagged(b"CREATE " + target)
    assert re.match(rb"a OK \[COPYUID [0-9]+ 1:2 1:2\]", wire.tagged(b"COPY 1:2 " + target)[-1])
    moved = wire.tagged(b"MOVE 3 " + target)
    assert any(re.match(rb"\* OK \[COPYUID [0-9]+ 3 3\]", line) for line in moved) and b"* 3 EXPUNGE" in moved
    wire.tagged(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert b"* 1 EXPUNGE" in wire.tagged(b"UID EXPUNGE 1")
    assert fetched(wire, b"FETCH 1:* UID") == b"* 1 FETCH (UID 2)"


def test_condstore_and_qresync_are_exact(wire: Wire, mailbox: bytes, bundle: Bundle) -> None:
    assert wire.tagged(b"ENABLE QRESYNC")[-1].startswith(b"a OK")
    lines = b"\n".join(wire.tagged(b"SELECT " + mailbox))
    modseq = int(re.search(rb"HIGHESTMODSEQ ([0-9]+)", lines)[1])  # type: ignore[index]
    validity = int(re.search(rb"UIDVALIDITY ([0-9]+)", lines)[1])  # type: ignore[index]
    with log_in(bundle) as other:
        other.tagged(b"SELECT " + mailbox)
        other.tagged(b"STORE 2 +FLAGS (\\Flagged)")
        other.tagged(b"STORE 1 +FLAGS (\\Deleted)")
        other.tagged(b"EXPUNGE")
    refused = wire.tagged(b"UID STORE 2 (UNCHANGEDSINCE %d) +FLAGS (\\Seen)" % modseq)
    assert refused[-1].startswith(b"a OK [MODIFIED 2]")
    again = b"\n".join(wire.tagged(b"SELECT %b (QRESYNC (%d %d))" % (mailbox, validity, modseq)))
    assert b"* VANISHED (EARLIER) 1" in again
    assert re.search(rb"\* 1 FETCH \(UID 2 FLAGS \(\\Flagged\) MODSEQ \([0-9]+\)\)", again)
    changed = fetched(wire, b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)" % modseq)
    assert b"* VANISHED (EARLIER) 1" in changed and b"UID 3" not in changed


def test_an_idle_session_hears_of_flags_and_mail_at_once(wire: Wire, mailbox: bytes, bundle: Bundle) -> None:
    wire.send(b"i IDLE\r\n")
    assert wire.line().startswith(b"+ ")
    with log_in(bundle) as other:
        other.tagged(b"SELECT " + mailbox)
        append(other, mailbox, MESSAGE % 9)
        assert wire.line() == b"* 4 EXISTS"
        other.tagged(b"STORE 1 +FLAGS (brandnew)")
    lines = [wire.line(), wire.line(), wire.line()]
    assert lines[0].startswith(b"* FLAGS (") and b"brandnew" in lines[0]
    assert lines[2].startswith(b"* 1 FETCH (") and b"brandnew" in lines[2]
    wire.send(b"DONE\r\n")
    assert wire.until(b"i")[-1].startswith(b"i OK")


def test_append_of_several_messages_is_all_or_nothing(wire: Wire, mailbox: bytes) -> None:
    lines = wire.tagged(b"APPEND %b (\\Seen Label1 $label2) {5+}\r\na: b\n {5+}\r\na: c\n" % mailbox)
    assert re.match(rb"a OK \[APPENDUID [0-9]+ 4:5\]", lines[-1])
    assert b"FLAGS (\\Seen $label2 label1)" in fetched(wire, b"FETCH 4 FLAGS")
    assert wire.tagged(b"APPEND Nowhere {3+}\r\na:b")[-1].startswith(b"a NO [TRYCREATE]")


def test_imapclient_may_put_two_spaces_between_messages(wire: Wire, mailbox: bytes) -> None:
    # What its `multiappend` sends: a space of its own behind each literal, and one in front of the next.
    wire.send(b"a APPEND %b {5}\r\n" % mailbox)
    assert wire.line().startswith(b"+ ")
    wire.send(b"a: b\n")
    wire.send(b" ")
    wire.send(b" {5}\r\n")
    assert wire.line().startswith(b"+ ")
    wire.send(b"a: c\n")
    wire.send(b"\r\n")
    assert re.match(rb"a OK \[APPENDUID [0-9]+ 4:5\]", wire.until(b"a")[-1])
    # And where it need not wait, with flags and a date.
    date = b'"24-Nov-2026 10:00:00 +0100"'
    lines = wire.tagged(
        b"APPEND %b (\\Seen) %b {5+}\r\na: d\n  {5+}\r\na: e\n  (\\Flagged) %b {5+}\r\na: f\n" % (mailbox, date, date)
    )
    assert re.match(rb"a OK \[APPENDUID [0-9]+ 6:8\]", lines[-1])
    assert wire.tagged(b"NOOP")[-1].startswith(b"a OK")
    assert b"a: e" in fetched(wire, b"FETCH 7 (BODY.PEEK[])") and b"\\Flagged" in fetched(wire, b"FETCH 8 (FLAGS)")


def test_no_password_passes_without_tls(bundle: Bundle) -> None:
    with Wire(bundle.address("imap"), source="127.77.0.1") as wire:
        assert b"LOGINDISABLED" in wire.line()
        assert wire.tagged(b"LOGIN a b")[-1].startswith(b"a NO [PRIVACYREQUIRED]")
        assert wire.tagged(b"AUTHENTICATE PLAIN AGEAYg==")[-1].startswith(b"a NO [PRIVACYREQUIRED]")


def test_hostile_literals_and_nests_are_answered_or_closed(bundle: Bundle) -> None:
    for attack in (
        b"a LOGIN {4294967295}\r\n",
        b"a LOGIN {99999999999999999999}\r\n",
        b"a LOGIN {1025}\r\n",
        b"a SEARCH " + b"(" * 5000 + b"\r\n",
        b"a " + b"x" * 100_000 + b"\r\n",
        b"a LOGIN \0 b\r\n",
    ):
        with connect(bundle) as wire:
            wire.send(attack)
            answer = wire.line()
            assert answer.startswith((b"a BAD", b"* BYE", b"* BAD")), (attack[:40], answer)


WORDS = (
    b"FETCH SEARCH STORE COPY MOVE UID APPEND SELECT EXAMINE CREATE DELETE RENAME LIST LSUB STATUS NOOP CHECK EXPUNGE "
    b"ENABLE IDLE DONE NAMESPACE ID UNSELECT SUBSCRIBE AUTHENTICATE PLAIN 1:* 1 * $ 4294967295 0 -1 (FLAGS) FLAGS "
    b"BODY[] BODY[1.2.3.MIME] BODY.PEEK[HEADER.FIELDS (a)] BINARY[1] RETURN (SAVE) (MIN) NOT OR ALL TEXT SUBJECT "
    b'"" "x" "\\\\" "\\" ( ) (( {3} {3+} {0+} ~{2+} NIL \\Seen \\Bogus +FLAGS INBOX Inbox/x % * &AOk- &x "a\\"b" '
    b"(UNCHANGEDSINCE 1) (CHANGEDSINCE 1 VANISHED) (QRESYNC (1 1)) MODSEQ 24-Nov-2026 99-Foo-0000 \xff\xfe"
).split(b" ")


def fuzzed(choice: random.Random) -> bytes:
    words = [choice.choice(WORDS) for _ in range(choice.randrange(1, 7))]
    line = b"f%d %b" % (choice.randrange(100), b" ".join(words))
    if choice.random() < 0.1:
        at = choice.randrange(len(line))
        line = line[:at] + bytes([choice.randrange(256)]) + line[at + 1 :]
    return line.replace(b"LOGOUT", b"NOOP") + b"\r\n"


def run_fuzz(bundle: Bundle, commands: int) -> None:
    """In each state; whatever comes back, the next connection works and no process died."""
    before = {pid for pid, command in bundle.programs() if "--name imap" in command}
    choice = random.Random(commands)
    states = (None, b"NOOP", b"SELECT INBOX", b"EXAMINE Trash", b"IDLE")
    for state in states:
        sent = 0
        while sent < commands // len(states):
            with connect(bundle) if state is None else log_in(bundle) as wire:
                if state is not None:
                    wire.send(b"s " + state + b"\r\n")
                for _ in range(50):
                    wire.send(fuzzed(choice))
                    sent += 1
                wire.send(b"\r\nDONE\r\nz LOGOUT\r\n")
                wire.socket.settimeout(20)
                wire.rest()
    with log_in(bundle) as wire:
        assert wire.tagged(b"NOOP")[-1].startswith(b"a OK")
    assert {pid for pid, command in bundle.programs() if "--name imap" in command} == before
    failures = [line for line in (bundle.folder / "log/imap.log").read_text().splitlines() if '"stack"' in line]
    assert failures == []


def test_two_thousand_fuzzed_commands_crash_nothing(bundle: Bundle) -> None:
    run_fuzz(bundle, 2000)


@pytest.mark.long
def test_twenty_thousand_fuzzed_commands_crash_nothing(bundle: Bundle) -> None:
    run_fuzz(bundle, 20_000)


def test_the_quota_is_told_only_where_there_is_one(bundle: Bundle, wire: Wire, mailbox: bytes):
    assert wire.tagged(b"GETQUOTAROOT " + mailbox)[:-1] == [b'* QUOTAROOT "%b" ""' % mailbox]
    assert wire.tagged(b"GETQUOTAROOT Nowhere")[-1].startswith(b"a NO [NONEXISTENT]")
    assert wire.tagged(b'GETQUOTA "elsewhere"')[-1].startswith(b"a NO [NONEXISTENT]")
    held = bundle.mailctl("account", "list")[0]["size"]
    limit = held + 10_000
    bundle.mailctl("account", "quota", bundle.ready["account"], str(limit))
    try:
        told = b'* QUOTA "" (STORAGE %d %d)' % (-(-held // 1024), -(-limit // 1024))
        assert wire.tagged(b'GETQUOTA ""') == [told, b"a OK GETQUOTA completed."]
        assert wire.tagged(b"GETQUOTAROOT " + mailbox)[1] == told
        refused = append(wire, mailbox, MESSAGE % 9 + b"y" * 11_000)
        assert refused[-1].startswith(b"a NO [OVERQUOTA]")
        assert wire.tagged(b"NOOP")[-1].startswith(b"a OK")
        assert wire.tagged(b"COPY 1:3 " + mailbox)[-1].startswith(b"a OK")
    finally:
        bundle.mailctl("account", "quota", bundle.ready["account"], "0")


def test_deleted_storage_is_what_expunge_would_free(wire: Wire, mailbox: bytes):
    size = len(MESSAGE % 0)
    assert b"(DELETED-STORAGE 0)" in wire.tagged(b"STATUS %b (DELETED-STORAGE)" % mailbox)[0]
    wire.tagged(b"STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert b"(DELETED-STORAGE %d)" % (2 * size) in wire.tagged(b"STATUS %b (DELETED-STORAGE)" % mailbox)[0]
    listed = wire.tagged(b'LIST "" %b RETURN (STATUS (DELETED-STORAGE))' % mailbox)
    assert b"(DELETED-STORAGE %d)" % (2 * size) in listed[1]
