"""MTA-STS policies, and what TLS came to with other hosts."""

from alembic import op

from mail.store.outbound_schema import sts_policy, tls_result

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # A database that begins with this release has them from the first revision, which makes the schema whole.
    for table in (sts_policy, tls_result):
        table.create(op.get_bind(), checkfirst=True)
