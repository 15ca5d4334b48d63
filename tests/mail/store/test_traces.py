"""The trace: found by what people know of a message, each search by an index, and forgotten in time."""

from typing import Any

import pytest
from sqlalchemy import event, select

from mail.now import SystemClock
from mail.store import accounts, traces
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.schema import trace
from mail.store.traces import trace_values

NOW = 1_800_000_000_000


def added(store: Store, *rows: dict[str, Any]) -> None:
    usual = {"cid": "c" * 16, "direction": "in", "mail_from": "x@far.example", "rcpt_to": "ann@a.example"}
    usual |= {"verdict": "accepted", "reason": "no-bad-signals"}
    with store.write() as tx:
        traces.add(tx, [trace_values(**{"at": NOW + number, **usual, **row}) for number, row in enumerate(rows)])


def found(store: Store, **wanted: Any) -> list[int]:
    """When the rows that are found were made, after NOW."""
    with store.read() as connection:
        return [row.at - NOW for row in traces.find(connection, **wanted)]


def test_either_side_of_the_envelope_is_found_whatever_its_case(store: Store):
    added(store, {"rcpt_to": "Ann@a.example"}, {"mail_from": "ann@a.example"}, {"rcpt_to": "bob@a.example"})
    assert found(store, address="ann@a.example") == found(store, address="ANN@A.example") == [1, 0]
    assert found(store, address="nn@a.example") == []


def test_what_stands_behind_a_separator_is_found_with_the_address_before_it(store: Store):
    with changing(store, None, clock=SystemClock()) as changes:
        accounts.add_domain(changes.tx, "a.example", NOW)
        accounts.add_domain(changes.tx, "dash.example", NOW, separators="-")
    added(
        store,
        *({"rcpt_to": one} for one in ("ann@a.example", "Ann+News@a.example", "ann+@a.example", "anna+x@a.example")),
        {"mail_from": "ann+out@a.example"},
        *({"rcpt_to": one} for one in ("ann-x@dash.example", "ann+x@dash.example", "ann+x@far.example")),
        {"rcpt_to": '"ann a+x"@a.example'},
    )
    assert found(store, address="ANN@a.example") == [4, 2, 1, 0]
    assert found(store, address="ann@a.example", most=2) == [4, 2]
    # Who asks for one of them means that one.
    assert found(store, address="ann+news@a.example") == [1]
    assert found(store, address="ann@dash.example") == [5] and found(store, address="ann+x@dash.example") == [6]
    assert found(store, address="ann@far.example") == [], "what separates elsewhere is not known here"
    assert found(store, address='"ann a"@a.example') == [8]


def test_an_address_with_a_separator_of_its_own_is_nobody_elses(store: Store):
    with changing(store, None, clock=SystemClock()) as changes:
        accounts.add_domain(changes.tx, "a.example", NOW, separators="-")
        ann, bob = (accounts.add_account(changes, name) for name in ("ann", "bob"))
        accounts.add_address(changes.tx, "ann@a.example", ann, NOW)
        accounts.add_address(changes.tx, "ann+work@a.example", bob, NOW)
        accounts.change_domain(changes.tx, "a.example", catchall_separators="+")
    added(store, {"rcpt_to": "ann+work@a.example"}, {"rcpt_to": "ann+play@a.example"})
    assert found(store, address="ann@a.example") == [1] and found(store, address="Ann+Work@a.example") == [0]


def test_letters_beyond_ascii_have_no_case_either(store: Store):
    added(
        store, {"rcpt_to": "\u00c4nn@far.example"}, {"rcpt_to": "\u00e4nn@far.example"}, {"rcpt_to": "ann@far.example"}
    )
    assert found(store, address="\u00e4nn@far.example") == [1, 0]


def test_few_records_have_a_key(store: Store):
    added(
        store,
        {"rcpt_to": "Ann@a.example"},
        {"rcpt_to": "bob-x@far.example", "mail_from": ""},
        {"rcpt_to": "no address"},
    )
    with store.read() as connection:
        assert connection.execute(select(trace.c.rcpt_key, trace.c.sender_key)).all() == [(None, None)] * 3
    assert found(store, address="no address") == [2]


def test_who_wrote_to_himself_is_found_once(store: Store):
    added(store, {"rcpt_to": "ann@a.example", "mail_from": "ann@a.example"})
    assert found(store, address="ann@a.example") == [0]


def test_all_that_is_wanted_must_be_so(store: Store):
    added(store, {"message_id": "1@x"}, {"message_id": "1@x", "verdict": "refused", "reason": "iprev"}, {"cid": "d"})
    assert found(store, message_id="1@x") == [1, 0]
    assert found(store, message_id="1@x", verdict="refused") == found(store, reason="iprev") == [1]
    assert found(store, message_id="1@x", cid="d") == []
    assert found(store, cid="d", address="x@far.example") == [2]


def test_an_account_sees_its_own(store: Store):
    added(store, {"account_id": 1}, {"account_id": 2}, {})
    assert found(store, account_id=2) == [1]


def test_the_newest_come_first_and_no_more_than_are_wanted(store: Store):
    added(store, *({"rcpt_to": f"u{number % 2}@a.example"} for number in range(10)))
    assert found(store, most=3) == [9, 8, 7]
    assert found(store, address="u0@a.example", most=2) == [8, 6]
    assert found(store, address="x@far.example", since=NOW + 3, until=NOW + 5) == [5, 4, 3]


def test_what_the_row_says_comes_back(store: Store):
    added(store, {"detail": {"reply": "550 5.1.1 No"}, "message_id": "1@x", "blob_id": "b", "account_id": 7})
    with store.read() as connection:
        (row,) = traces.find(connection)
    assert (row.detail, row.message_id, row.blob_id, row.account_id) == ({"reply": "550 5.1.1 No"}, "1@x", "b", 7)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        (
            {"address": "x@far.example"},
            {"trace_by_recipient", "trace_by_sender", "trace_by_rcpt_key", "trace_by_sender_key"},
        ),
        ({"message_id": "1@x"}, {"ix_trace_message_id"}),
        ({"cid": "c"}, {"ix_trace_cid"}),
        ({"account_id": 1}, {"trace_by_account"}),
        ({"reason": "iprev"}, {"trace_by_reason"}),
        ({"since": NOW}, {"ix_trace_at"}),
    ],
)
def test_each_search_has_an_index(sqlite_store: Store, wanted: dict[str, Any], by: set[str]):
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    event.listen(sqlite_store._reader, "before_cursor_execute", note)
    with sqlite_store.read() as connection:
        traces.find(connection, **wanted)
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values).all() for one, values in list(asked)]
    steps = [str(plan[0][3]) for plan in plans]
    assert {step.split("USING INDEX ")[1].split()[0] for step in steps} == by


def test_what_came_in_is_read_in_pages_and_each_row_once(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traces, "PAGE", 4)
    # Many of one moment: the pages must break between them.
    added(store, *({"at": NOW + number // 5, "account_id": number % 2} for number in range(22)), {"direction": "out"})
    ids = [row.id for row in traces.decisions(store)]
    assert len(ids) == 22 and ids == sorted(ids, reverse=True)
    assert [row.account_id for row in traces.decisions(store, account_id=1)] == [1] * 11
    assert len(list(traces.decisions(store, since=NOW + 4))) == 2


def test_what_comes_while_they_are_read_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traces, "PAGE", 2)
    added(store, *({} for _ in range(5)))
    reading = traces.decisions(store)
    first = next(reading)
    added(store, {"at": NOW + 100})
    assert first.at == NOW + 4 and [row.at - NOW for row in reading] == [3, 2, 1, 0]


def test_old_records_go_a_bounded_number_at_a_time(store: Store):
    added(store, *({} for _ in range(5)))
    with store.write() as tx:
        assert traces.remove_before(tx, NOW + 3, 2) == 2
        assert traces.remove_before(tx, NOW + 3, 2) == 1
        assert traces.remove_before(tx, NOW + 3, 2) == 0
    assert found(store) == [4, 3]
