from mail.store import sts_policies
from mail.store.engine import Store
from mail.store.sts_policies import DAY_MS, CachedPolicy

NOW = 1_800_000_000_000


def keep(store: Store, domain: str, *, at: int = NOW, expires_at: int = NOW + DAY_MS, refresh_at: int = NOW) -> None:
    with store.write() as tx:
        sts_policies.keep(tx, domain, "1", "mode: enforce", now=at, expires_at=expires_at, refresh_at=refresh_at)


def found(store: Store, domain: str) -> CachedPolicy | None:
    with store.read() as connection:
        return sts_policies.find(connection, domain)


def test_a_policy_is_kept_until_it_ends(store: Store) -> None:
    assert found(store, "a.test") is None
    keep(store, "a.test")
    known = found(store, "a.test")
    assert known == CachedPolicy("a.test", "1", "mode: enforce", NOW, NOW + DAY_MS, NOW, 0, "")
    assert known.holds(NOW + DAY_MS - 1) and not known.holds(NOW + DAY_MS)


def test_a_failure_is_noted_and_the_old_policy_stays(store: Store) -> None:
    keep(store, "a.test")
    with store.write() as tx:
        sts_policies.note_failure(tx, "a.test", "fetch", NOW + 5, refresh_at=NOW + 9)
        sts_policies.note_failure(tx, "b.test", "fetch", NOW + 5, refresh_at=NOW + 9)
    known, other = found(store, "a.test"), found(store, "b.test")
    assert known is not None and (known.policy, known.failed_at, known.failure) == ("mode: enforce", NOW + 5, "fetch")
    assert known.holds(NOW) and other is not None and not other.holds(NOW)
    keep(store, "a.test", at=NOW + 10)
    known = found(store, "a.test")
    assert known is not None and (known.failed_at, known.failure, known.used_at) == (0, "", NOW)


def test_those_to_be_fetched_anew_are_policies_that_wait_longest(store: Store) -> None:
    keep(store, "late.test", refresh_at=NOW + 100)
    keep(store, "b.test", refresh_at=NOW - 1)
    keep(store, "a.test", refresh_at=NOW - 2)
    with store.write() as tx:
        sts_policies.note_failure(tx, "none.test", "fetch", NOW, refresh_at=NOW - 3)
    with store.read() as connection:
        assert [one.domain for one in sts_policies.due(connection, NOW, 10)] == ["a.test", "b.test"]
        assert [one.domain for one in sts_policies.due(connection, NOW, 1)] == ["a.test"]


def test_what_is_unused_expired_or_removed_is_forgotten(store: Store) -> None:
    year = 365 * DAY_MS
    keep(store, "used.test", expires_at=NOW + year)
    keep(store, "unused.test", expires_at=NOW + year)
    keep(store, "expired.test", expires_at=NOW + DAY_MS)
    keep(store, "gone.test", expires_at=NOW + year)
    with store.write() as tx:
        sts_policies.note_use(tx, "used.test", NOW + 100 * DAY_MS)
        sts_policies.remove(tx, "gone.test")
        assert sts_policies.remove_stale(tx, NOW + DAY_MS - 1, 180 * DAY_MS) == 0
        assert sts_policies.remove_stale(tx, NOW + DAY_MS, 180 * DAY_MS) == 1
        assert sts_policies.remove_stale(tx, NOW + 181 * DAY_MS, 180 * DAY_MS) == 1
    names = ("used.test", "unused.test", "expired.test", "gone.test")
    assert [name for name in names if found(store, name)] == ["used.test"]
