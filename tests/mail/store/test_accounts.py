import pytest

from mail.errors import BadAddress, Exists, Invalid, NotFound
from mail.now import SetClock
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store


@pytest.fixture
def ann(store: Store, clock: SetClock) -> int:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "Example.ORG.", 1)
        return accounts.add_account(changes, "ann")


def add(store: Store, text: str, account_id: int) -> str:
    with store.write() as tx:
        return accounts.add_address(tx, text, account_id, 1).address


def test_addresses_are_one_in_their_canonical_form(store: Store, ann: int) -> None:
    assert add(store, "Ann@example.org", ann) == "Ann@example.org"
    for same in ("ann@EXAMPLE.org", "ANN@example.org"):
        with pytest.raises(Exists, match="Ann@example.org of account ann"):
            add(store, same, ann)
    with pytest.raises(Invalid, match="separates"):
        add(store, "ann+tag@example.org", ann)
    # NFD and NFC of one letter are one address.
    add(store, "e\u0301@example.org", ann)
    with pytest.raises(Exists):
        add(store, "\u00e9@example.org", ann)


def test_a_domain_with_addresses_stays_until_they_are_gone(store: Store, ann: int) -> None:
    add(store, "@example.org", ann)
    with pytest.raises(Invalid, match="still has 1 addresses"), store.write() as tx:
        accounts.remove_domain(tx, "example.org")
    with store.write() as tx:
        accounts.remove_address(tx, "@example.org")
        accounts.remove_domain(tx, "example.org")
        assert accounts.list_domains(tx) == []


def test_what_is_not_there_is_named_with_a_remedy(store: Store, ann: int) -> None:
    with store.read() as connection:
        for find, name in (
            (accounts.find_domain, "other.example"),
            (accounts.find_account, "bob"),
            (accounts.find_address, "bob@example.org"),
        ):
            with pytest.raises(NotFound, match=name) as failed:
                find(connection, name)
            assert "mailctl" in failed.value.public


@pytest.mark.parametrize("name", ["", " ann", "a/b", "a\nb", "x" * 101])
def test_an_account_name_that_cannot_be_is_refused(store: Store, clock: SetClock, name: str) -> None:
    with pytest.raises(Invalid), changing(store, None, clock=clock) as changes:
        accounts.add_account(changes, name)


def test_a_literal_is_no_domain_of_ours(store: Store) -> None:
    with pytest.raises(BadAddress), store.write() as tx:
        accounts.add_domain(tx, "[127.0.0.1]", 1)


def test_a_removed_account_leaves_nothing_behind(store: Store, clock: SetClock, ann: int) -> None:
    add(store, "ann@example.org", ann)
    with store.write() as tx:
        accounts.remove_account(tx, ann)
    with store.read() as connection:
        assert accounts.list_accounts(connection) == [] and accounts.list_addresses(connection) == []
