"""How alembic reaches the database: through the connection `mail.store.migrate` hands it, in that one transaction."""

from alembic import context

from mail.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transaction_per_migration=False
)
context.run_migrations()
