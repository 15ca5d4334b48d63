"""The tables of `core.db`, one schema for SQLite and PostgreSQL.

Rules that bind every writer:
1. Instants (`*_at`) are whole milliseconds since 1970 UTC. Sizes are octets.
2. A row that names a blob is committed only after the blob is durable; a blob is unlinked only after no row names it.
3. UIDs, UIDVALIDITY and modseqs come from the counters below, inside the transaction that uses them.
4. Tables that belong to an account lead their key with `account_id`.
5. `mailbox.messages`, `.unseen`, `.deleted`, `.size` and `account.size` always equal what counting the rows gives;
   `mailctl verify` recounts.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
)

from mail.store.learning_schema import arrival as arrival
from mail.store.learning_schema import history as history
from mail.store.learning_schema import junk_total as junk_total
from mail.store.learning_schema import junk_word as junk_word
from mail.store.learning_schema import metadata as metadata
from mail.store.learning_schema import only_where
from mail.store.learning_schema import sent_to as sent_to
from mail.store.outbound_schema import sts_policy as sts_policy
from mail.store.outbound_schema import tls_result as tls_result

# SQLite gives an INTEGER PRIMARY KEY its fast row number only under that very type name.
Id = BigInteger().with_variant(Integer, "sqlite")

domain = Table(
    "domain",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True, doc="lower-case A-labels"),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("catchall_separators", Text, nullable=False, default="+", doc="every character splits a localpart"),
    Column("localpart_case_sensitive", Boolean, nullable=False, default=False),
    Column("created_at", BigInteger, nullable=False),
)

# The selectors that sign, signed and will sign for a domain (mail.dkim.lifecycle). Their private keys are not here.
dkim_key = Table(
    "dkim_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("domain_id", ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    Column("selector", Text, nullable=False),
    Column("kind", Text, nullable=False, doc="rsa or ed25519"),
    Column("record", Text, nullable=False, doc="the TXT record to publish"),
    Column("state", Text, nullable=False, doc="mail.dkim.lifecycle.State"),
    Column("made_at", BigInteger, nullable=False),
    Column("active_at", BigInteger, nullable=True),
    Column("retire_at", BigInteger, nullable=True, doc="while it is retiring: when it will be retired"),
    Column("retired_at", BigInteger, nullable=True),
    Index("dkim_selector_once", "domain_id", "selector", unique=True),
)

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("login_disabled", Text, nullable=False, default="", doc="message shown to the owner; empty: login allowed"),
    Column("quota", BigInteger, nullable=False, default=0, doc="octets; 0: no limit"),
    Column("size", BigInteger, nullable=False, default=0),
    Column("modseq", BigInteger, nullable=False, default=1, doc="highest given to any change of this account"),
    Column("next_mailbox_id", BigInteger, nullable=False, default=1),
    Column("next_uidvalidity", BigInteger, nullable=False, default=1),
    Column("incoming", Text, nullable=False, default="{}", doc="JSON of mail.policy.account_rules.AccountRules"),
    Column("max_outgoing_messages_per_day", BigInteger, nullable=False, default=0, doc="recipients; 0: the default"),
    Column("max_first_time_recipients_per_day", BigInteger, nullable=False, default=0, doc="0: the default"),
    Column("created_at", BigInteger, nullable=False),
)

# The canonical localpart is what `mail.address.canonical` gives for the domain's rules.
# An empty one is the domain's catchall.
address = Table(
    "address",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("domain_id", ForeignKey("domain.id"), primary_key=True),
    Column("localpart", Text, primary_key=True, doc="canonical"),
    Column("written", Text, nullable=False, doc="as the administrator wrote it"),
    Column("mailbox", Text, nullable=False, default="Inbox", doc="where its mail goes"),
    Column("kind", Text, nullable=False, default="", doc="dmarc or tls: takes such reports; empty: a person's"),
    Column("smtp_error", Text, nullable=False, default="", doc="a 421 or 550 reply text: refused at RCPT with it"),
    Column("auth_required", Text, nullable=False, default="", doc="refusal for mail whose From is not verified"),
    Column("created_at", BigInteger, nullable=False),
    Index("address_once", "domain_id", "localpart", unique=True),
)

# One local name for many addresses, here or elsewhere. Its canonical localpart shares the names of `address`.
alias = Table(
    "alias",
    metadata,
    Column("id", Id, primary_key=True),
    Column("domain_id", ForeignKey("domain.id"), nullable=False),
    Column("localpart", Text, nullable=False, doc="canonical"),
    Column("written", Text, nullable=False),
    Column("post_public", Boolean, nullable=False, default=True, doc="false: only members may post, by verified From"),
    Column("list_members", Boolean, nullable=False, default=False, doc="members may see who the members are"),
    Column("allow_from", Boolean, nullable=False, default=False, doc="members may send as the alias"),
    Column("created_at", BigInteger, nullable=False),
    Index("alias_once", "domain_id", "localpart", unique=True),
)

alias_member = Table(
    "alias_member",
    metadata,
    Column("alias_id", ForeignKey("alias.id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True, doc="as mail.address writes it; ours or somebody else's"),
    Column("created_at", BigInteger, nullable=False),
)

# Rules of one address, in order; the first that matches counts (features-1 item 16).
ruleset = Table(
    "ruleset",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("localpart", Text, nullable=False, doc="of the address, canonical"),
    Column("position", Integer, nullable=False),
    Column("rule", Text, nullable=False, doc="JSON of mail.policy.rulesets.Ruleset"),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, doc="NFC, hierarchy separator /, the inbox is Inbox"),
    Column("special_use", Text, nullable=False, default="", doc="space-separated RFC 6154 attributes, as \\Sent"),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False, default=1),
    Column("highestmodseq", BigInteger, nullable=False, default=1),
    Column("created_modseq", BigInteger, nullable=False, default=1),
    Column("messages", BigInteger, nullable=False, default=0),
    Column("unseen", BigInteger, nullable=False, default=0),
    Column("deleted", BigInteger, nullable=False, default=0, doc="messages that carry \\Deleted"),
    Column("size", BigInteger, nullable=False, default=0),
    Column(
        "vanished_floor", BigInteger, nullable=False, default=0, doc="expunges up to this modseq are no longer listed"
    ),
    Index("mailbox_name_once", "account_id", "name", unique=True),
)

# By name, not by mailbox: a subscription outlives its mailbox (RFC 9051 §6.3.7).
subscription = Table(
    "subscription",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("name", Text, primary_key=True),
)

# Every keyword any message of the mailbox ever had; never removed (features S03).
mailbox_keyword = Table(
    "mailbox_keyword",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("keyword", Text, primary_key=True, doc="lower case"),
    sqlite_with_rowid=False,
)

message = Table(
    "message",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("modseq", BigInteger, nullable=False),
    Column("flags", Integer, nullable=False, default=0, doc="bits of mail.store.flags"),
    Column("keywords", Text, nullable=False, default="", doc="sorted, space-separated, lower case"),
    Column("received_at", BigInteger, nullable=False, doc="INTERNALDATE"),
    Column("saved_at", BigInteger, nullable=False, doc="when it came into this mailbox"),
    Column("size", BigInteger, nullable=False, doc="octets of prefix and blob together, RFC822.SIZE"),
    Column("blob_id", ForeignKey("blob.id"), nullable=False, index=True),
    Column(
        "prefix",
        LargeBinary,
        nullable=False,
        default=b"",
        doc="header fields before the blob's own, each ending in CRLF",
    ),
    # What changed since a session looked: the few rows, not the mailbox.
    Index("message_by_modseq", "account_id", "mailbox_id", "modseq"),
    sqlite_with_rowid=False,
)

# What was expunged, so that QRESYNC is exact (RFC 7162 §3.2.10).
vanished = Table(
    "vanished",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("modseq", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

blob = Table(
    "blob",
    metadata,
    Column("id", Text, primary_key=True, doc="32 hexadecimal digits"),
    Column("folder", Text, nullable=False, doc="below the blobs folder, as 20261124/3f; empty: in blob_content"),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # What FETCH and SEARCH need without opening the blob: see mail.imap.summary.
    Column("envelope", LargeBinary, nullable=False, default=b"", doc="IMAP ENVELOPE text"),
    Column("bodystructure", LargeBinary, nullable=False, default=b"", doc="IMAP BODYSTRUCTURE text"),
    Column("structure", LargeBinary, nullable=False, default=b"", doc="part tree with offsets into the blob, JSON"),
    Column("subject", Text, nullable=False, default="", doc="decoded, case-folded; as are the next four"),
    Column("sender", Text, nullable=False, default="", doc="From"),
    Column("recipients", Text, nullable=False, default="", doc="To"),
    Column("cc", Text, nullable=False, default=""),
    Column("bcc", Text, nullable=False, default=""),
    Column("message_id", Text, nullable=False, default="", doc="without angle brackets"),
    Column("sent_at", BigInteger, nullable=True, doc="the Date field"),
    Column("sent_day", BigInteger, nullable=True, doc="days since 1970 of the date as written there, RFC 9051 SENTON"),
    Index("blob_by_message_id", "message_id"),
)

# The octets of small messages: one sync for the commit instead of three (docs/decisions/small-blobs-in-rows.md).
# Apart from `blob`, so that reading envelopes does not wade through bodies.
blob_content = Table(
    "blob_content",
    metadata,
    Column("blob_id", ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("octets", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What a DMARC aggregate report is made of (features-1 item 12).
dmarc_evaluation = Table(
    "dmarc_evaluation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("policy_domain", Text, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("optional", Boolean, nullable=False, doc="not by itself a reason to send a report"),
    Column("interval_hours", Integer, nullable=False),
    Column("facts", Text, nullable=False, doc="JSON: a row of the report"),
    Index("dmarc_evaluation_due", "policy_domain", "at"),
)

queue_message = Table(
    "queue_message",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("blob_id", ForeignKey("blob.id"), nullable=False, index=True),
    Column("prefix", LargeBinary, nullable=False, default=b""),
    Column("size", BigInteger, nullable=False),
    Column("mail_from", Text, nullable=False, doc="empty: the null reverse-path"),
    Column("return_to", Text, nullable=False, default="", doc="hears of failures: empty: the account, -: nobody"),
    Column("message_id", Text, nullable=False, default=""),
    Column("subject", Text, nullable=False, default=""),
    Column("envid", Text, nullable=False, default="", doc="RFC 3461 §4.4, decoded"),
    Column("ret", Text, nullable=False, default="", doc="FULL, HDRS or empty"),
    Column("eightbit", Boolean, nullable=False, default=False),
    Column("smtputf8", Boolean, nullable=False, default=False),
    Column("require_tls", Boolean, nullable=True, doc="REQUIRETLS: true; TLS-Required: No: false; neither: null"),
    Column("release_at", BigInteger, nullable=False, default=0, doc="asked to wait until then, RFC 4865; 0: not"),
    Column("future_release", Text, nullable=False, default="", doc="as asked: for;SECONDS, until;TIME, or empty"),
    Column("extra", Text, nullable=False, default="{}", doc="JSON: the sender's own words about it (features-1 1e)"),
    Column("cid", Text, nullable=False, default=""),
    Column("created_at", BigInteger, nullable=False),
)

queue_recipient = Table(
    "queue_recipient",
    metadata,
    Column("id", Id, primary_key=True),
    Column("queue_message_id", ForeignKey("queue_message.id"), nullable=False, index=True),
    Column("account_id", BigInteger, nullable=False, index=True),
    Column("rcpt_to", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("orcpt", Text, nullable=False, default="", doc="RFC 3461 §4.2, decoded, with its type"),
    Column(
        "notify", Text, nullable=False, default="", doc="NEVER or a list of SUCCESS, FAILURE, DELAY; empty: not given"
    ),
    Column("state", Text, nullable=False, doc="mail.queue.states.State"),
    Column("reason", Text, nullable=False, default="", doc="stable word: why it is in that state, as poison"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0, doc="claims whose owner died before the outcome"),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("owner", Text, nullable=False, default="", doc="who holds the lease"),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("phase", Text, nullable=False, default="", doc="start or data-end, while claimed"),
    Column("delay_dsn_sent", Boolean, nullable=False, default=False),
    Column("last_code", Integer, nullable=False, default=0),
    Column("last_enhanced", Text, nullable=False, default=""),
    Column("last_text", Text, nullable=False, default="", doc="the remote's words, made printable"),
    Column("ended_at", BigInteger, nullable=True),
    Index("queue_recipient_due", "state", "next_attempt_at"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("queue_recipient_id", ForeignKey("queue_recipient.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=True),
    Column("host", Text, nullable=False, default=""),
    Column("ip", Text, nullable=False, default=""),
    Column("tls", Text, nullable=False, default="", doc="version and cipher, or empty"),
    Column(
        "result", Text, nullable=False, default="", doc="delivered, deferred, failed, crashed, or empty while running"
    ),
    Column("code", Integer, nullable=False, default=0),
    Column("enhanced", Text, nullable=False, default=""),
    Column("text", Text, nullable=False, default=""),
)

# One DSN a recipient and kind, whatever crashes (security §3.4).
dsn_sent = Table(
    "dsn_sent",
    metadata,
    Column("queue_recipient_id", ForeignKey("queue_recipient.id"), primary_key=True),
    Column("kind", Text, primary_key=True, doc="failed, delayed, delivered or relayed"),
    Column("sent_at", BigInteger, nullable=False),
)

# One record a message and recipient, in or out, taken or refused. An index for each thing it is searched by, with the
# time behind it: a search reads as many rows as it gives, however many there are of a busy address.
trace = Table(
    "trace",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("cid", Text, nullable=False, index=True),
    Column("direction", Text, nullable=False, doc="in, out or local"),
    Column("account_id", BigInteger, nullable=True),
    Column("queue_recipient_id", BigInteger, nullable=True),
    Column("mail_from", Text, nullable=False),
    Column("rcpt_to", Text, nullable=False),
    Column("rcpt_key", Text, nullable=True, doc="what else it is found by: mail.store.trace_keys; null: nothing"),
    Column("sender_key", Text, nullable=True),
    Column("message_id", Text, nullable=False, default="", index=True),
    Column("blob_id", Text, nullable=False, default=""),
    Column("verdict", Text, nullable=False, doc="accepted, refused, delivered, deferred, failed, held, dropped"),
    Column("reason", Text, nullable=False, doc="stable word"),
    Column("detail", Text, nullable=False, default="{}", doc="JSON: the facts and the words"),
)
Index("trace_by_recipient", func.lower(trace.c.rcpt_to), trace.c.at)
Index("trace_by_sender", func.lower(trace.c.mail_from), trace.c.at)
only_where("rcpt_key IS NOT NULL", Index("trace_by_rcpt_key", trace.c.rcpt_key, trace.c.at))
only_where("sender_key IS NOT NULL", Index("trace_by_sender_key", trace.c.sender_key, trace.c.at))
Index("trace_by_account", trace.c.account_id, trace.c.at)
Index("trace_by_reason", trace.c.reason, trace.c.at)

# How many recipients an account sent to (mail.store.send_limits), in steps of time: a day is a few hundred rows however
# much is sent.
sent_total = Table(
    "sent_total",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False, doc="the step's beginning"),
    Column("recipients", BigInteger, nullable=False),
    Column("first_time", BigInteger, nullable=False, doc="of them those it never sent to before"),
    sqlite_with_rowid=False,
)

# Every recipient an account ever sent to, hashed; for the limit alone: `sent_to` is what reputation goes by.
sent_recipient = Table(
    "sent_recipient",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# What must happen elsewhere because of a commit here: written with it, done after it, at least once.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account_id", BigInteger, nullable=True),
    Column("payload", Text, nullable=False, doc="JSON"),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
)
