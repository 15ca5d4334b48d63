"""The selectors of DKIM. The revisions below are all that ties it to its place in the row."""

from alembic import op
from sqlalchemy import inspect

from mail.store.schema import dkim_key

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # The first migration makes every table that a new database needs.
    if not inspect(op.get_bind()).has_table(dkim_key.name):
        dkim_key.create(op.get_bind())
