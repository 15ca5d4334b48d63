import pytest

from mail.errors import NoSuchAddress
from mail.now import SetClock
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.usage import Usage, usage


def test_what_an_account_holds_is_read(store: Store, clock: SetClock):
    with changing(store, None, clock=clock) as changes:
        ann = accounts.add_account(changes, "ann", quota=1000)
    with store.read() as connection:
        assert usage(connection, ann) == Usage(0, 1000)
        with pytest.raises(NoSuchAddress):
            usage(connection, 999)


def test_there_is_room_up_to_the_quota_and_without_one_always():
    assert Usage(900, 1000).has_room(100) and not Usage(900, 1000).has_room(101)
    assert Usage(900, 0).has_room(1 << 40)
