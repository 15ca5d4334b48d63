"""Selectors of domains, on both databases."""

import pytest

from mail.dkim.lifecycle import State
from mail.errors import Exists, Invalid, NotFound
from mail.now import SetClock
from mail.store import accounts, dkim_keys
from mail.store.changes import changing
from mail.store.dkim_keys import KeyRow
from mail.store.engine import Store


@pytest.fixture(autouse=True)
def domains(store: Store, clock: SetClock) -> None:
    with changing(store, None, clock=clock) as changes:
        for name in ("b.example", "a.example"):
            accounts.add_domain(changes.tx, name, 1)


def add(store: Store, selector: str, state: State = State.ACTIVE, domain: str = "a.example") -> KeyRow:
    with store.write() as tx:
        return dkim_keys.add_key(tx, domain, selector, kind="rsa", record=f"p={selector}", state=state, now=5)


def rows(store: Store, domain: str = "") -> list[KeyRow]:
    with store.read() as connection:
        return dkim_keys.list_keys(connection, domain)


def test_a_selector_is_kept_with_its_record_and_times(store: Store) -> None:
    made = add(store, "one")
    assert (made.domain, made.selector, made.kind, made.record, made.state) == (
        ("a.example", "one", "rsa", "p=one", "active")
    )
    assert (made.made_at, made.active_at, made.retire_at, made.retired_at) == (5, 5, None, None)
    assert add(store, "two", State.NEXT).active_at is None
    assert [one.selector for one in rows(store)] == ["one", "two"]


def test_a_selector_is_used_once_in_a_domain(store: Store) -> None:
    made = add(store, "one")
    with store.write() as tx:
        dkim_keys.change_state(tx, [made], "retire", 6)
    with pytest.raises(Exists):
        add(store, "one")
    assert add(store, "one", domain="b.example").domain == "b.example"


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        add(store, "one", domain="none.example")
    with pytest.raises(NotFound):
        rows(store, "none.example")
    with pytest.raises(NotFound), store.read() as connection:
        dkim_keys.find_key(connection, "a.example", "one")


def test_only_active_selectors_sign(store: Store) -> None:
    for selector, state in (("one", State.ACTIVE), ("two", State.NEXT), ("three", State.ACTIVE)):
        add(store, selector, state)
    add(store, "four", State.NEXT, "b.example")
    with store.read() as connection:
        assert dkim_keys.signing(connection) == {"a.example": ("one", "three")}


def test_a_replaced_one_is_retired_when_its_time_has_come(store: Store) -> None:
    first, second = add(store, "one"), add(store, "two", State.NEXT)
    with store.write() as tx:
        dkim_keys.change_state(tx, [first], "replace", 10, retire_at=100)
        dkim_keys.change_state(tx, [second], "activate", 10)
        assert dkim_keys.retire_due(tx, 99) == []
        assert [one.selector for one in dkim_keys.retire_due(tx, 100)] == ["one"]
    one, two = rows(store)
    assert (one.state, one.retire_at, one.retired_at) == ("retired", None, 100)
    assert (two.state, two.active_at) == ("active", 10)


def test_no_move_is_made_that_may_not_be(store: Store) -> None:
    made = add(store, "one")
    with pytest.raises(Invalid), store.write() as tx:
        dkim_keys.change_state(tx, [made], "activate", 10)
    assert rows(store)[0].active_at == 5


def test_selectors_go_with_their_domain(store: Store) -> None:
    add(store, "one")
    add(store, "one", domain="b.example")
    with store.write() as tx:
        accounts.remove_domain(tx, "a.example")
    assert [one.domain for one in rows(store)] == ["b.example"]
