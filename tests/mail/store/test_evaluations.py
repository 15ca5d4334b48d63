"""What the reports to the domains of authors will be made of."""

from mail.now import SetClock
from mail.store import evaluations
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.evaluations import Evaluation


def made(domain: str, number: int, *, optional: bool = False) -> Evaluation:
    return Evaluation(
        domain, optional, 24, {"number": number, "rua": ["mailto:r@\u00fc.example"], "nested": {"p": "none"}}
    )


def keep(store: Store, made: list[Evaluation], at: int) -> None:
    with changing(store, None, clock=SetClock()) as changes:
        changes.evaluation_rows += evaluations.values(made, at)


def test_a_domains_own_are_read_back_oldest_first_and_exactly(store: Store) -> None:
    first, second, other = made("a.example", 1), made("a.example", 2, optional=True), made("b.example", 3)
    keep(store, [second], 2000)
    keep(store, [first, other], 1000)
    keep(store, [], 1000)
    with store.read() as connection:
        assert evaluations.of_domain(connection, "a.example", 3000) == [first, second]
        assert evaluations.of_domain(connection, "a.example", 2000) == [first], "what came since is for the next report"
        assert evaluations.of_domain(connection, "c.example", 3000) == []


def test_those_of_one_moment_stay_in_order(store: Store) -> None:
    wanted = [made("a.example", number) for number in range(20)]
    keep(store, wanted, 1000)
    with store.read() as connection:
        assert evaluations.of_domain(connection, "a.example", 1001) == wanted


def test_what_no_report_was_made_of_goes_a_few_at_a_time(store: Store) -> None:
    for at in (1000, 1001, 1002, 2000):
        keep(store, [made("a.example", at)], at)
    with store.write() as tx:
        assert evaluations.remove_before(tx, 1500, 2) == 2
        assert evaluations.remove_before(tx, 1500, 2) == 1
        assert evaluations.remove_before(tx, 1500, 2) == 0
    with store.read() as connection:
        assert [one.facts["number"] for one in evaluations.of_domain(connection, "a.example", 9999)] == [2000]
