from dataclasses import replace

from mail.queue.tls_result import TlsResult
from mail.store import tls_results
from mail.store.engine import Store

DAY = 20_270_115
ONE = TlsResult(DAY, "a.test", "a.test", False, "sts", ("version: STSv1", "mx: ü"), ("*.a.test",), mx_host="mx.a.test")
BAD = replace(ONE, result_type="validation-failure", reason="dane-no-match\0", receiving_ip="192.0.2.1")


def add(store: Store, *results: TlsResult) -> None:
    with store.write() as tx:
        tls_results.add(tx, results)


def of_day(store: Store, day: int = DAY) -> list[TlsResult]:
    with store.read() as connection:
        return sorted(tls_results.of_day(connection, day), key=lambda one: one.result_type)


def test_sessions_of_the_same_day_policy_host_and_result_are_counted_together(store: Store) -> None:
    add(store, ONE, ONE, BAD)
    add(store, ONE)
    add(store)
    good, bad = of_day(store)
    assert good == replace(ONE, sessions=3)
    assert bad == replace(BAD, reason="dane-no-match\ufffd")


def test_what_differs_in_anything_is_counted_apart(store: Store) -> None:
    others = (
        replace(ONE, policy=("version: STSv1",)),
        replace(ONE, mx_host="other.a.test"),
        replace(ONE, recipient_domain="b.test"),
        replace(ONE, is_host=True),
        replace(BAD, sessions=0),
        replace(ONE, day=DAY + 1),
    )
    add(store, ONE, *others)
    assert len(of_day(store)) == 6 and of_day(store, DAY + 1) == [replace(ONE, day=DAY + 1)]


def test_days_nobody_reported_on_are_forgotten_a_few_at_a_time(store: Store) -> None:
    add(store, *(replace(ONE, day=DAY - number) for number in range(5)))
    with store.write() as tx:
        assert tls_results.remove_before(tx, DAY, 3) == 3
        assert tls_results.remove_before(tx, DAY, 3) == 1
    assert of_day(store) == [ONE]
