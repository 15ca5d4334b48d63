"""What must always be true of the rows, each as a question that finds those of which it is not (security §3.8).

A statement gives (subject, what is wrong), in SQL both engines speak. What SQL says badly is in `FUNCTIONS`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, select

from mail.errors import MailError
from mail.queue.states import OPEN, State
from mail.store.classes import HAM, SPAM
from mail.store.history import OF_A_KEY, arrival_number, unpack_keys
from mail.store.names import INBOX, checked, parents
from mail.store.rows import join_keywords
from mail.store.schema import arrival, history, mailbox, mailbox_keyword, message


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str
    words: str
    statement: str


def _list(states: Iterable[State]) -> str:
    return ", ".join(f"'{state.value}'" for state in states)


OF_MAILBOX = "'account ' || {0}.account_id || ' mailbox ' || {0}.mailbox_id"
OF_BOX = "'account ' || b.account_id || ' mailbox ' || b.id"
JOINED = "{0} JOIN mailbox b ON b.account_id = {1}.account_id AND b.id = {1}.mailbox_id"
COUNTED = """
    SELECT account_id, mailbox_id, count(*) AS messages, sum(CASE WHEN flags & 1 = 0 THEN 1 ELSE 0 END) AS unseen,
           sum(CASE WHEN flags & 8 <> 0 THEN 1 ELSE 0 END) AS deleted, sum(size) AS size
    FROM message GROUP BY account_id, mailbox_id"""

MAILBOX_RULES = (
    *(
        Rule(
            "orphan",
            "has rows in {}",
            f"SELECT DISTINCT {OF_MAILBOX.format('t')}, '{table}' FROM {table} t LEFT JOIN mailbox b"
            " ON b.account_id = t.account_id AND b.id = t.mailbox_id WHERE b.id IS NULL",
        )
        for table in ("message", "vanished", "mailbox_keyword")
    ),
    *(
        Rule(
            "uid",
            "UIDNEXT is not above {}",
            f"SELECT {OF_MAILBOX.format('t')}, max(t.uid) FROM {JOINED.format(f'{table} t', 't')}"
            " WHERE t.uid >= b.uidnext OR t.uid < 1 GROUP BY t.account_id, t.mailbox_id",
        )
        for table in ("message", "vanished")
    ),
    *(
        Rule(
            "modseq",
            "HIGHESTMODSEQ is below {}",
            f"SELECT {OF_MAILBOX.format('t')}, max(t.modseq) FROM {JOINED.format(f'{table} t', 't')}"
            " WHERE t.modseq > b.highestmodseq OR t.modseq < 1 GROUP BY t.account_id, t.mailbox_id",
        )
        for table in ("message", "vanished")
    ),
    Rule(
        "modseq",
        "{} is above the account's",
        f"SELECT {OF_BOX}, b.highestmodseq FROM mailbox b JOIN account a ON a.id = b.account_id"
        " WHERE b.highestmodseq > a.modseq OR b.created_modseq > b.highestmodseq OR b.vanished_floor > b.highestmodseq",
    ),
    Rule(
        "vanished",
        "UID {} is there and is listed as expunged",
        f"SELECT {OF_MAILBOX.format('v')}, v.uid FROM vanished v JOIN message m"
        " ON m.account_id = v.account_id AND m.mailbox_id = v.mailbox_id AND m.uid = v.uid",
    ),
    *(
        Rule(
            "counter",
            f"{name}: {{}}",
            f"SELECT {OF_BOX}, b.{name} || ' kept, ' || coalesce(c.{name}, 0) || ' counted'"
            f" FROM mailbox b LEFT JOIN ({COUNTED}) c ON c.account_id = b.account_id AND c.mailbox_id = b.id"
            f" WHERE b.{name} <> coalesce(c.{name}, 0)",
        )
        for name in ("messages", "unseen", "deleted", "size")
    ),
    Rule(
        "counter",
        "size: {}",
        "SELECT 'account ' || a.id, a.size || ' kept, ' || coalesce(c.size, 0) || ' counted' FROM account a LEFT JOIN"
        " (SELECT account_id, sum(size) AS size FROM message GROUP BY account_id) c ON c.account_id = a.id"
        " WHERE a.size <> coalesce(c.size, 0)",
    ),
    *(
        Rule(
            "counter",
            f"{counter} is not above {{}}",
            f"SELECT 'account ' || a.id, max(b.{column}) FROM account a JOIN mailbox b ON b.account_id = a.id"
            f" GROUP BY a.id, a.{counter} HAVING max(b.{column}) >= a.{counter}",
        )
        for counter, column in (("next_mailbox_id", "id"), ("next_uidvalidity", "uidvalidity"))
    ),
    Rule(
        "uidvalidity",
        "{} mailboxes have one UIDVALIDITY",
        "SELECT 'account ' || account_id || ' uidvalidity ' || uidvalidity, count(*) FROM mailbox"
        " GROUP BY account_id, uidvalidity HAVING count(*) > 1",
    ),
    Rule(
        "mailbox",
        "has no mailbox {}",
        f"SELECT 'account ' || a.id, '{INBOX}' FROM account a WHERE NOT EXISTS"
        f" (SELECT 1 FROM mailbox b WHERE b.account_id = a.id AND b.name = '{INBOX}')",
    ),
    Rule(
        "size",
        "{}",
        f"SELECT {OF_MAILBOX.format('m')} || ' uid ' || m.uid,"
        " m.size || ' octets, prefix and blob have ' || (length(m.prefix) + b.size)"
        " FROM message m JOIN blob b ON b.id = m.blob_id WHERE m.size <> length(m.prefix) + b.size",
    ),
    Rule(
        "blob",
        "its row is malformed: {}",
        "SELECT id, folder FROM blob WHERE length(id) <> 32 OR length(sha256) <> 32"
        " OR folder LIKE '/%' OR folder LIKE '%..%'",
    ),
)

QUEUE_RULES = (
    Rule(
        "queue",
        "state {} is not one of ours",
        f"SELECT 'recipient ' || id, state FROM queue_recipient WHERE state NOT IN ({_list(State)})",
    ),
    Rule(
        "queue",
        "is claimed without owner or lease, owner '{}'",
        f"SELECT 'recipient ' || id, owner FROM queue_recipient WHERE state = '{State.CLAIMED.value}'"
        " AND (owner = '' OR lease_until = 0)",
    ),
    Rule(
        "queue",
        "is not claimed but has the owner {}",
        f"SELECT 'recipient ' || id, owner FROM queue_recipient WHERE state <> '{State.CLAIMED.value}' AND owner <> ''",
    ),
    Rule(
        "queue",
        "is {} and has the wrong time of its end",
        f"SELECT 'recipient ' || id, state FROM queue_recipient WHERE (state IN ({_list(OPEN)})) <> (ended_at IS NULL)",
    ),
    Rule(
        "queue",
        "belongs to account {} unlike its message",
        "SELECT 'recipient ' || r.id, r.account_id FROM queue_recipient r JOIN queue_message m"
        " ON m.id = r.queue_message_id WHERE r.account_id <> m.account_id",
    ),
    Rule(
        "queue",
        "has no recipient; it is from '{}'",
        "SELECT 'message ' || m.id, m.mail_from FROM queue_message m WHERE NOT EXISTS"
        " (SELECT 1 FROM queue_recipient r WHERE r.queue_message_id = m.id)",
    ),
    Rule(
        "attempt",
        "has {} running attempts",
        "SELECT 'recipient ' || r.id, count(a.id) FROM queue_recipient r LEFT JOIN attempt a"
        " ON a.queue_recipient_id = r.id AND a.ended_at IS NULL GROUP BY r.id, r.state"
        f" HAVING count(a.id) <> CASE WHEN r.state = '{State.CLAIMED.value}' THEN 1 ELSE 0 END",
    ),
    # RFC 3461 §4.1: without NOTIFY a failure is told; never to the null reverse-path (RFC 5321 §4.5.5).
    Rule(
        "dsn",
        "failed and its sender {} was not told",
        "SELECT 'recipient ' || r.id, m.mail_from FROM queue_recipient r JOIN queue_message m"
        f" ON m.id = r.queue_message_id WHERE r.state = '{State.FAILED.value}' AND m.return_to <> '-'"
        " AND (m.mail_from <> '' OR m.return_to <> '')"
        " AND (r.notify = '' OR r.notify LIKE '%FAILURE%') AND NOT EXISTS"
        " (SELECT 1 FROM dsn_sent d WHERE d.queue_recipient_id = r.id AND d.kind = 'failed')",
    ),
)

OF_ARRIVAL = "'account ' || a.account_id || ' blob ' || a.blob_id"
# mail.store.classes, in SQL.
CLASS = "CASE WHEN a.ham > 0 AND a.spam = 0 THEN 1 WHEN a.spam > 0 AND a.ham = 0 THEN 2 ELSE 0 END"
FILED = f"CASE WHEN a.rejected THEN 0 ELSE {CLASS} END"
COPIES = """
    SELECT account_id, blob_id, sum(CASE WHEN flags & 192 = 128 THEN 1 ELSE 0 END) AS ham,
           sum(CASE WHEN flags & 192 = 64 THEN 1 ELSE 0 END) AS spam
    FROM message GROUP BY account_id, blob_id"""

LEARNING_RULES = (
    Rule(
        "arrival",
        "{}",
        f"SELECT {OF_ARRIVAL}, a.ham || ' ham and ' || a.spam || ' spam copies kept, ' || c.ham || ' and ' || c.spam"
        f" || ' counted' FROM arrival a JOIN ({COPIES}) c ON c.account_id = a.account_id AND c.blob_id = a.blob_id"
        " WHERE a.ham <> c.ham OR a.spam <> c.spam",
    ),
    Rule(
        "arrival",
        "has no copy; it was meant for {}",
        f"SELECT {OF_ARRIVAL}, a.mailbox FROM arrival a WHERE NOT EXISTS"
        " (SELECT 1 FROM message m WHERE m.account_id = a.account_id AND m.blob_id = a.blob_id)",
    ),
    Rule(
        "arrival",
        "UID {} is classified and has no arrival",
        f"SELECT {OF_MAILBOX.format('m')}, m.uid FROM message m LEFT JOIN arrival a ON a.account_id = m.account_id"
        " AND a.blob_id = m.blob_id WHERE m.flags & 192 IN (64, 128) AND a.blob_id IS NULL",
    ),
    Rule(
        "arrival",
        "filed and trained as {}, and pending says otherwise",
        f"SELECT {OF_ARRIVAL}, a.filed || ' and ' || a.trained FROM arrival a"
        f" WHERE a.pending <> (a.trained <> {CLASS} OR a.filed <> {FILED})",
    ),
    Rule(
        "history",
        f"{{}} rows under one key, more than {OF_A_KEY}",
        "SELECT 'account ' || account_id || ' key ' || key, count(*) FROM history GROUP BY account_id, key"
        f" HAVING count(*) > {OF_A_KEY}",
    ),
    *(
        Rule(
            "junk-words",
            f"{{}} messages are counted as {name}, and more are noted as such",
            f"SELECT 'account ' || a.account_id, coalesce(max(t.{name}s), 0) FROM arrival a LEFT JOIN junk_total t"
            f" ON t.account_id = a.account_id WHERE a.trained = {number} GROUP BY a.account_id"
            f" HAVING count(*) > coalesce(max(t.{name}s), 0)",
        )
        for name, number in (("ham", HAM), ("spam", SPAM))
    ),
    Rule(
        "junk-words",
        "word {} has impossible counts",
        "SELECT 'account ' || account_id, word FROM junk_word WHERE ham < 0 OR spam < 0 OR ham + spam = 0",
    ),
    Rule(
        "junk-words",
        "negative totals: {}",
        "SELECT 'account ' || account_id, hams || ' and ' || spams FROM junk_total WHERE hams < 0 OR spams < 0",
    ),
    *(
        Rule(
            "orphan",
            "has rows in {}",
            f"SELECT DISTINCT 'account ' || t.account_id, '{table}' FROM {table} t LEFT JOIN account a"
            f" ON a.id = {whose} WHERE a.id IS NULL",
        )
        for table, whose in (
            ("arrival", "t.account_id"),
            ("history", "t.account_id"),
            ("sent_to", "t.account_id"),
            ("junk_word", "abs(t.account_id)"),
            ("junk_total", "abs(t.account_id)"),
        )
    ),
)

RULES = MAILBOX_RULES + QUEUE_RULES + LEARNING_RULES


def _unregistered_keywords(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Every keyword of a message is one of its mailbox, and they are written in one way (features S03)."""
    known: dict[tuple[int, int], set[str]] = {}
    columns = (mailbox_keyword.c.account_id, mailbox_keyword.c.mailbox_id, mailbox_keyword.c.keyword)
    for account_id, mailbox_id, keyword in connection.execute(select(*columns)):
        known.setdefault((account_id, mailbox_id), set()).add(keyword)
    used = select(message.c.account_id, message.c.mailbox_id, message.c.keywords).distinct()
    for account_id, mailbox_id, keywords in connection.execute(used.where(message.c.keywords != "")):
        subject = f"account {account_id} mailbox {mailbox_id}"
        words = frozenset(keywords.split())
        if keywords != join_keywords(words):
            yield "keyword", subject, f"{keywords!r} is not sorted lower case"
        missing = words - known.get((account_id, mailbox_id), set())
        if missing:
            yield "keyword", subject, f"used but not known to the mailbox: {join_keywords(missing)}"


def _misnamed_mailboxes(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Names are in their one spelling, below a mailbox that is there; a special use belongs to one mailbox."""
    wanted = select(mailbox.c.account_id, mailbox.c.name, mailbox.c.special_use).order_by(mailbox.c.account_id)
    for account_id, rows in groupby(connection.execute(wanted), key=lambda row: row.account_id):
        subject = f"account {account_id}"
        found = [(name, use.split()) for _, name, use in rows]
        names = {name for name, _ in found}
        for name in sorted(names):
            if not _spelled(name):
                yield "mailbox", subject, f"{name!r} is not a name we give"
            elif not names.issuperset(parents(name)):
                yield "mailbox", subject, f"{name!r} has no mailbox above it"
        uses = [use for _, held in found for use in held]
        for use in sorted({use for use in uses if uses.count(use) > 1}):
            yield "special-use", subject, f"{use} belongs to {uses.count(use)} mailboxes"


def _spelled(name: str) -> bool:
    try:
        return checked(name) == name
    except MailError:
        return False


def _misfiled_history(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """What history says of a message that is there is what its arrival says; of those that are gone it says what was
    learnt.
    """
    owners = connection.execute(select(history.c.account_id).distinct()).scalars().all()
    for account_id in owners:
        filed = {
            arrival_number(blob_id): (found, set(unpack_keys(keys)))
            for blob_id, found, keys in connection.execute(
                select(arrival.c.blob_id, arrival.c.filed, arrival.c["keys"]).where(arrival.c.account_id == account_id)
            )
        }
        rows = select(history.c.key, history.c.arrival, history.c.junk).where(history.c.account_id == account_id)
        for key, number, junk in connection.execute(rows):
            found, keys = filed.get(number, (SPAM if junk else HAM, {key}))
            if found != (SPAM if junk else HAM) or key not in keys:
                yield "history", f"account {account_id} key {key}", f"says {bool(junk)} of a message filed as {found}"


# (kind, subject, what is wrong)
FUNCTIONS: tuple[Callable[[Connection], Iterator[tuple[str, str, str]]], ...] = (
    _unregistered_keywords,
    _misnamed_mailboxes,
    _misfiled_history,
)
