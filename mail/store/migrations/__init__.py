"""Numbered forward migrations of `core.db`; `mail.store.migrate` runs them, nothing else does."""
