"""The cache of MTA-STS policies (RFC 8461 §5.1). It may vanish at any moment; then policies are fetched again."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, or_, select, update

from mail.store.outbound_schema import sts_policy
from mail.store.rows import upsert

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class CachedPolicy:
    """What is known of a domain. `policy` is the file's text, empty when there is none that still holds."""

    domain: str
    record_id: str
    policy: str
    fetched_at: int
    expires_at: int
    used_at: int
    failed_at: int
    failure: str

    def holds(self, now: int) -> bool:
        return bool(self.policy) and now < self.expires_at


_COLUMNS = tuple(sts_policy.c[name] for name in CachedPolicy.__dataclass_fields__)


def find(connection: Connection, domain: str) -> CachedPolicy | None:
    row = connection.execute(select(*_COLUMNS).where(sts_policy.c.domain == domain)).first()
    return CachedPolicy(*row) if row else None


def keep(
    tx: Connection, domain: str, record_id: str, policy: str, *, now: int, expires_at: int, refresh_at: int
) -> None:
    """A policy was fetched. When it was last used by a delivery stays, or begins."""
    values = {
        "record_id": record_id,
        "policy": policy,
        "fetched_at": now,
        "expires_at": expires_at,
        "refresh_at": refresh_at,
        "failed_at": 0,
        "failure": "",
    }
    _put(tx, domain, values, now)


def note_failure(tx: Connection, domain: str, failure: str, now: int, *, refresh_at: int) -> None:
    """A fetch failed; what is cached stays."""
    _put(tx, domain, {"failed_at": now, "failure": failure, "refresh_at": refresh_at}, now)


def note_use(tx: Connection, domain: str, now: int) -> None:
    tx.execute(update(sts_policy).where(sts_policy.c.domain == domain).values(used_at=now))


def remove(tx: Connection, domain: str) -> None:
    tx.execute(delete(sts_policy).where(sts_policy.c.domain == domain))


def due(connection: Connection, now: int, most: int) -> list[CachedPolicy]:
    """Policies to be fetched anew, those that wait longest first."""
    wanted = (
        select(*_COLUMNS)
        .where(sts_policy.c.refresh_at <= now, sts_policy.c.policy != "")
        .order_by(sts_policy.c.refresh_at)
        .limit(most)
    )
    return [CachedPolicy(*row) for row in connection.execute(wanted)]


def remove_stale(tx: Connection, now: int, unused_ms: int) -> int:
    """Forget what expired, what no delivery asked for so long, and failures nobody waits after any more."""
    columns = sts_policy.c
    stale = or_(
        columns.used_at < now - unused_ms,
        (columns.expires_at <= now) & (columns.failed_at < now - DAY_MS),
    )
    return int(tx.execute(delete(sts_policy).where(stale)).rowcount)


def _put(tx: Connection, domain: str, values: dict[str, object], now: int) -> None:
    insert = upsert(tx.dialect.name, sts_policy)
    tx.execute(
        insert.values(domain=domain, used_at=now, **values).on_conflict_do_update(
            index_elements=sts_policy.primary_key, set_=values
        )
    )
