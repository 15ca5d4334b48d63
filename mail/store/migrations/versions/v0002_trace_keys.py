"""The trace by what stands before a separator; and for databases made before them, what the first schema gained since.

Every step is one that a new database does not need (see 0001), so each looks first.
"""

from alembic import op
from sqlalchemy import bindparam, inspect, select, update

from mail.store.schema import metadata, trace
from mail.store.trace_keys import keys

revision = "0002"
down_revision = "0001"

COLUMNS = (
    ("account", "incoming", "TEXT NOT NULL DEFAULT '{}'"),
    ("address", "kind", "TEXT NOT NULL DEFAULT ''"),
    ("address", "smtp_error", "TEXT NOT NULL DEFAULT ''"),
    ("address", "auth_required", "TEXT NOT NULL DEFAULT ''"),
    ("arrival", "retrained", "SMALLINT NOT NULL DEFAULT 0"),
    ("blob", "sent_day", "BIGINT"),
    ("queue_message", "return_to", "TEXT NOT NULL DEFAULT ''"),
    ("trace", "rcpt_key", "TEXT"),
    ("trace", "sender_key", "TEXT"),
)
# Of what these were nothing searches any more; the last had fewer columns once.
GONE = ("ix_trace_queue_recipient_id", "ix_trace_rcpt_to", "arrival_pending")
INDICES = (
    "arrival_pending ON arrival (account_id, blob_id) WHERE pending",
    "blob_by_message_id ON blob (message_id)",
    "ix_dmarc_evaluation_at ON dmarc_evaluation (at)",
    "message_by_modseq ON message (account_id, mailbox_id, modseq)",
    "trace_by_recipient ON trace (lower(rcpt_to), at)",
    "trace_by_sender ON trace (lower(mail_from), at)",
    "trace_by_rcpt_key ON trace (rcpt_key, at) WHERE rcpt_key IS NOT NULL",
    "trace_by_sender_key ON trace (sender_key, at) WHERE sender_key IS NOT NULL",
    "trace_by_account ON trace (account_id, at)",
    "trace_by_reason ON trace (reason, at)",
)
ROWS_AT_ONCE = 5000


def upgrade() -> None:
    connection = op.get_bind()
    # Tables that came since.
    metadata.create_all(connection)
    inspector = inspect(connection)
    there = {table: {one["name"] for one in inspector.get_columns(table)} for table, _, _ in COLUMNS}
    for table, column, kind in COLUMNS:
        if column not in there[table]:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    for name in GONE:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    for index in INDICES:
        op.execute(f"CREATE INDEX IF NOT EXISTS {index}")
    _fill_keys()


def _fill_keys() -> None:
    """Of the records there are."""
    connection = op.get_bind()
    page = select(trace.c.id, trace.c.rcpt_to, trace.c.mail_from).order_by(trace.c.id).limit(ROWS_AT_ONCE)
    write = update(trace).where(trace.c.id == bindparam("of_record"))
    write = write.values(rcpt_key=bindparam("rcpt"), sender_key=bindparam("sender"))
    last = -1
    while rows := connection.execute(page.where(trace.c.id > last)).all():
        last = rows[-1].id
        found = keys(connection, {text for _, *both in rows for text in both})
        changed = [
            {"of_record": row.id, "rcpt": found.get(row.rcpt_to), "sender": found.get(row.mail_from)}
            for row in rows
            if row.rcpt_to in found or row.mail_from in found
        ]
        if changed:
            connection.execute(write, changed)
