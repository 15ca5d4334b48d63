from mail.deliver.plan import Plan
from mail.queue.tls_result import TlsResult
from tests.claims import claimed
from workers.destinations import CONNECTIONS_MAX, LOCAL_AT_START, RECIPIENTS_MAX, WAITING_MAX, Destination, Destinations

LOOPBACK = Plan("loopback", "a test", fixed=("127.0.0.1", 1025))


def planned(domain: str, count: int = 1, *, plan: Plan | None = None, messages: int | None = None):
    return [
        (
            plan or Plan(domain, "a test"),
            claimed(
                f"r{number}@{domain}", id=number, queue_message_id=number if messages is None else number % messages
            ),
        )
        for number in range(count)
    ]


async def test_recipients_of_one_message_and_way_are_one_job():
    waiting = Destinations()
    waiting.add(planned("x.test", 6, messages=2) + planned("y.test"))
    assert [(one.domain, [len(job.recipients) for job in one.jobs]) for one in waiting] == [
        ("x.test", [3, 3]),
        ("y.test", [1]),
    ]


async def test_a_message_to_very_many_is_several_jobs():
    waiting = Destinations()
    waiting.add(planned("x.test", RECIPIENTS_MAX + 5, messages=1))
    (one,) = waiting
    assert [len(job.recipients) for job in one.jobs] == [RECIPIENTS_MAX, 5] and one.waiting == RECIPIENTS_MAX + 5


async def test_what_is_taken_and_put_back_is_counted():
    waiting = Destinations()
    waiting.add(planned("x.test", 4, messages=2))
    (one,) = waiting
    job = one.take()
    assert one.waiting == 2
    one.put_back(job.recipients[:1])
    assert one.waiting == 3 and one.take().recipients == job.recipients[:1]
    assert [claim.id for claim in one.take_all()] == [1, 3] and one.waiting == 0 and not one.jobs


async def test_connections_grow_with_success_to_ten_and_fall_back_to_one():
    waiting = Destinations()
    waiting.add(planned("x.test", 50))
    (one,) = waiting
    assert one.limit == 1 and one.wants_connection
    one.connections = 1
    assert not one.wants_connection
    for _ in range(20):
        one.went_well()
    assert one.limit == CONNECTIONS_MAX and one.wants_connection
    one.went_wrong()
    assert one.limit == 1


async def test_an_idle_connection_is_as_good_as_a_new_one():
    waiting = Destinations()
    waiting.add(planned("x.test"))
    (one,) = waiting
    one.idle = 1
    assert not one.wants_connection


async def test_the_least_served_is_first_in_line():
    waiting = Destinations()
    waiting.add(planned("busy.test", 50) + planned("new.test", 2))
    busy, new = waiting
    busy.connections, busy.limit = 5, 10
    assert waiting.in_need() == [new, busy]


async def test_a_full_destination_is_claimed_no_more_for():
    waiting = Destinations()
    waiting.add(planned("slow.test", WAITING_MAX) + planned("fast.test"))
    assert waiting.full_domains() == ["slow.test"] and not waiting.blocked
    slow, _ = waiting
    slow.take()
    assert waiting.full_domains() == []


async def test_when_everything_goes_one_way_a_full_one_blocks_all():
    waiting = Destinations()
    waiting.add(planned("a.test", WAITING_MAX, plan=LOOPBACK))
    assert waiting.blocked


async def test_local_mail_starts_with_more_than_one_at_a_time():
    waiting = Destinations()
    waiting.add(planned("us.test", plan=Plan("local", "a test", local=True)))
    assert [one.limit for one in waiting] == [LOCAL_AT_START]


async def test_destinations_nothing_is_there_for_are_forgotten():
    waiting = Destinations()
    waiting.add(planned("a.test") + planned("b.test") + planned("c.test"))
    a, b, _ = waiting
    a.take()
    b.take()
    b.connections = 1
    waiting.forget_idle()
    assert [one.domain for one in waiting] == ["b.test", "c.test"]


def test_what_tls_came_to_is_told_once_and_only_with_an_outcome():
    result = TlsResult(20_270_115, "them.test", "them.test", False, "no-policy-found")
    destination = Destination(Plan("them.test", "a test"), "them.test", tls=[result])
    assert destination.take_tls([]) == []
    assert destination.take_tls(["a verdict"]) == [result] and destination.take_tls(["another"]) == []
