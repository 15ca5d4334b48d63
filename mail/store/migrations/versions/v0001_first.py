"""The first schema, whole."""

from alembic import op

from mail.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
