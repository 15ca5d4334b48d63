"""What a local bundle needs before its first start: keys, the databases, the domain, the account, passwords.

Every step looks whether it was done, so a start that was interrupted goes on where it was.
"""

from app.local import certificates
from app.local.places import ACCOUNT, ADMIN_PASSWORD, DOMAIN, PASSWORD, Places
from mail.accounts import passwords
from mail.config.settings import Settings
from mail.errors import NotFound
from mail.now import SystemClock
from mail.runtime.stored import open_store
from mail.sasl import tickets
from mail.store import accounts, migrate, send_limits
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.secrets import ADMIN, Secrets

UNLIMITED = 10**9


def prepare(places: Places, settings: Settings) -> None:
    """Everything. Nothing else has the databases open."""
    (places.state / "redis").mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = places.state / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    if not (keys / "server.key").exists():
        for leftover in (places.folder / "ca.pem", keys / "server.pem"):
            leftover.unlink(missing_ok=True)
        certificates.make(places.folder / "ca.pem", keys / "server.pem", keys / "server.key", settings.hostname)
    tickets.make_key(settings.ticket_key)
    account_id = _prepare_store(settings)
    _prepare_secrets(settings, account_id)


def _prepare_store(settings: Settings) -> int:
    store = open_store(settings)
    try:
        migrate.upgrade(store)
        with changing(store, None, clock=SystemClock()) as changes:
            try:
                return accounts.find_account(changes.tx, ACCOUNT).id
            except NotFound:
                accounts.add_domain(changes.tx, DOMAIN, changes.now)
                account_id = accounts.add_account(changes, ACCOUNT)
                accounts.add_address(changes.tx, f"{ACCOUNT}@{DOMAIN}", account_id, changes.now)
                # Whatever it sends comes back to it: it harms nobody, and tests and benches send much.
                send_limits.change_limits(
                    changes.tx,
                    account_id,
                    max_outgoing_messages_per_day=UNLIMITED,
                    max_first_time_recipients_per_day=UNLIMITED,
                )
                return account_id
    finally:
        store.close()


def _prepare_secrets(settings: Settings, account_id: int) -> None:
    store = Store.open(settings.auth_database, lock=settings.auth_lock, checkpointer=True)
    try:
        kept = Secrets(store)
        kept.prepare()
        for owner, password in ((account_id, PASSWORD), (ADMIN, ADMIN_PASSWORD)):
            if kept.verifiers(owner) is None:
                kept.set_password(owner, passwords.verifiers(password), SystemClock().wall_ms())
    finally:
        store.close()
