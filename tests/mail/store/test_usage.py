import pytest

from mail.errors import NoSuchAddress
from mail.now import SetClock
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.usage import Usage, usage, usages


def test_what_accounts_hold_is_read_for_one_and_for_many(store: Store, clock: SetClock):
    with changing(store, None, clock=clock) as changes:
        ann, bob = (accounts.add_account(changes, name, quota=quota) for name, quota in (("ann", 1000), ("bob", 0)))
    with store.read() as connection:
        assert usage(connection, ann) == Usage(0, 1000)
        assert usages(connection, {ann, bob, 999}) == {ann: Usage(0, 1000), bob: Usage(0, 0)}
        with pytest.raises(NoSuchAddress):
            usage(connection, 999)


def test_there_is_room_up_to_the_quota_and_without_one_always():
    assert Usage(900, 1000).has_room(100) and not Usage(900, 1000).has_room(101)
    assert Usage(900, 0).has_room(1 << 40)
