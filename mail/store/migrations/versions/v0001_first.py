"""The first schema, whole: an empty database gets the newest at once, so what follows changes only older ones."""

from alembic import op

from mail.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
