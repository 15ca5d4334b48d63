"""Keys made, replaced and retired, with a sign process beside and on both databases."""

from pathlib import Path

import pytest

from mail.dkim.keyring import KINDS, Keyring
from mail.dkim.lifecycle import State
from mail.dns.fake import FakeResolver
from mail.errors import Exists, Unavailable
from mail.now import SetClock
from mail.rpc import BlockingClient
from mail.store import accounts, dkim_keys
from mail.store.changes import changing
from mail.store.dkim_keys import KeyRow
from mail.store.engine import Store
from mail.submit import dkim_keys as flow
from tests.sign_beside import sign_beside

DAY = flow.DAY_MS


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    made = Keyring(tmp_path / "dkim")
    made.prepare()
    return made


@pytest.fixture(autouse=True)
def domain(store: Store, clock: SetClock) -> None:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "a.example", 1)


def rows(store: Store) -> list[KeyRow]:
    with store.read() as connection:
        return dkim_keys.list_keys(connection, "a.example")


def made(store: Store, keyring: Keyring, clock: SetClock, state: State) -> list[KeyRow]:
    keys = flow.make_keys(keyring.make_record, "a.example", KINDS, rows(store), clock.wall_ms())
    with store.write() as tx:
        return flow.write_down(tx, "a.example", keys, state, clock.wall_ms())


def test_selectors_are_named_by_the_day_and_never_twice():
    now = 1_795_600_000_000
    assert flow.new_selector("rsa", (), now) == "20261125r"
    assert flow.new_selector("ed25519", ("20261125r", "20261125e"), now) == "20261125e-2"
    assert flow.new_selector("rsa", ("20261125r", "20261125r-2"), now) == "20261125r-3"


def test_what_a_domain_lacks_is_what_it_does_not_sign_with(store: Store, keyring: Keyring, clock: SetClock):
    assert flow.lacking(rows(store)) == list(KINDS)
    made(store, keyring, clock, State.NEXT)
    assert flow.lacking(rows(store)) == list(KINDS)
    made(store, keyring, clock, State.ACTIVE)
    assert flow.lacking(rows(store)) == []


def test_new_keys_replace_those_of_their_kind_after_an_overlap(store: Store, keyring: Keyring, clock: SetClock):
    made(store, keyring, clock, State.ACTIVE)
    before = rows(store)
    clock.move(60)
    (coming,) = flow.make_keys(keyring.make_record, "a.example", ["rsa"], before, clock.wall_ms())
    with store.write() as tx:
        flow.write_down(tx, "a.example", [coming], State.NEXT, clock.wall_ms())
        flow.activate(tx, dkim_keys.list_keys(tx, "a.example"), clock.wall_ms(), overlap_ms=14 * DAY)
    states = {one.selector: one.state for one in rows(store)}
    assert states == {before[0].selector: "retiring", before[1].selector: "active", coming.selector: "active"}
    assert rows(store)[0].retire_at == clock.wall_ms() + 14 * DAY


async def test_what_receivers_would_not_find_is_told(store: Store, keyring: Keyring, clock: SetClock):
    rsa, ed25519 = made(store, keyring, clock, State.NEXT)
    zone = {f"TXT {rsa.selector}._domainkey.a.example": [rsa.record]}
    assert await flow.faults([rsa, ed25519], FakeResolver(zone)) == {ed25519.selector: "there is no TXT record"}
    zone[f"TXT {ed25519.selector}._domainkey.a.example"] = [ed25519.record]
    assert await flow.faults([rsa, ed25519], FakeResolver(zone)) == {}


def test_the_sign_process_makes_them(tmp_path: Path):
    with sign_beside(tmp_path) as beside:
        client = BlockingClient(beside.settings.sign_socket)
        make = flow.by_process(client.call)
        (key,) = flow.make_keys(make, "a.example", ["ed25519"], (), 0, selector="mine")
        assert (key.selector, key.record[:20]) == ("mine", "v=DKIM1; k=ed25519; ")
        assert beside.selectors() == ["mine.a.example"]
        with pytest.raises(Exists):
            make("a.example", "mine", "rsa")
        client.close()
    with pytest.raises(Unavailable):
        flow.by_process(BlockingClient(beside.settings.sign_socket).call)("a.example", "two", "rsa")
