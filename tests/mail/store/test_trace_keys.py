"""What a record of the trace is found by beside its address: of most addresses nothing, and never another one's."""

import pytest

from mail.now import SetClock
from mail.store import accounts, aliases, trace_keys
from mail.store.changes import changing
from mail.store.engine import Store


@pytest.fixture
def known(store: Store, clock: SetClock) -> Store:
    """Two domains of ours, and a name with a separator in it that is older than the separator."""
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "a.example", 1, separators="-")
        accounts.add_domain(changes.tx, "case.example", 1, case_sensitive=True)
        ann = accounts.add_account(changes, "ann")
        accounts.add_address(changes.tx, "ann+work@a.example", ann, 1)
        aliases.add_alias(changes.tx, "the+team@a.example", ["ann+work@a.example"], 1)
        accounts.change_domain(changes.tx, "a.example", catchall_separators="+-")
    return store


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("ann+news@a.example", "ann@a.example"),
        ("Ann-x+y@a.example", "ann@a.example"),
        ("Ann+x@case.example", "ann@case.example"),
        ('"ann b+c"@a.example', '"ann b"@a.example'),
        ("\u00c4nn@far.example", "\u00e4nn@far.example"),
        # The address finds itself.
        *((one, None) for one in ("ann@a.example", "ANN@a.example", "\u00e4nn@a.example", "+ann@a.example")),
        # It is one of its own, whatever is in it.
        *((one, None) for one in ("ann+work@a.example", "The+Team@a.example")),
        # What separates elsewhere is not known here.
        *((one, None) for one in ("ann+x@far.example", "ann-x@case.example", "", "no address", "a+b")),
    ],
)
def test_an_address_has_the_key_of_who_takes_its_mail(known: Store, written: str, key: str | None):
    with known.read() as connection:
        assert trace_keys.keys(connection, [written]).get(written) == key


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("Ann@a.example", "ann@a.example"),
        ("\u00c4nn@far.example", "\u00e4nn@far.example"),
        ("ann+work@a.example", "ann+work@a.example"),
        ("ann+news@a.example", ""),
        ("no address", ""),
    ],
)
def test_who_asks_for_one_behind_a_separator_means_that_one(known: Store, asked: str, key: str):
    with known.read() as connection:
        assert trace_keys.key_of(connection, asked) == key
