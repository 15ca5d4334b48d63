"""Send limits of accounts, and what a submission asks for: release in the future, extra words.

A database made by this release has all of it from `v0001_first` already.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Text, inspect

from mail.store.schema import sent_recipient, sent_total

revision = "0003"
down_revision = "0002"

COLUMNS = {
    "account": (
        ("max_outgoing_messages_per_day", BigInteger, "0"),
        ("max_first_time_recipients_per_day", BigInteger, "0"),
    ),
    "queue_message": (
        ("release_at", BigInteger, "0"),
        ("future_release", Text, ""),
        ("extra", Text, "{}"),
    ),
}


def upgrade() -> None:
    bind = op.get_bind()
    there = inspect(bind)
    for table in (sent_total, sent_recipient):
        table.create(bind, checkfirst=True)
    for name, columns in COLUMNS.items():
        known = {one["name"] for one in there.get_columns(name)}
        for column, kind, default in columns:
            if column not in known:
                op.add_column(name, Column(column, kind, nullable=False, server_default=default))
