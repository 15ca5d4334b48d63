import asyncio
import email
import email.policy
import threading

import pytest

from mail.deliver.plan import Routes
from mail.dns.fake import FakeResolver
from mail.policy.rulesets import parse_ruleset
from mail.smtp.client import Timers
from mail.store import incoming, queue, queue_admin, traces
from tests.deliver_sink import DROP, HANG, running_sink
from tests.post_office import CONTENT, open_post_office
from workers.dispatch import Dispatcher
from workers.wakeups import Wakeups

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

pytestmark = pytest.mark.usefixtures("no_lingering")


def status_of(notice: bytes) -> str:
    message = email.message_from_bytes(notice, policy=email.policy.default)
    return str(message.get_payload()[1].as_string())  # type: ignore[union-attr, index]


async def test_a_message_goes_out_and_is_done(office):
    (one,) = await office.submit("b@them.test")
    async with running_sink() as sink:
        assert await office.deliver(sink.port) == 1
        assert sink.messages == [CONTENT.replace(b"\r\n.", b"\r\n..")]
    row = office.row(one)
    assert (row.state, row.last_code, row.attempts) == ("done", 250, 1)
    (attempt,) = office.attempts(one)
    assert (attempt["result"], attempt["host"], attempt["ip"]) == ("delivered", "127.0.0.1", "127.0.0.1")
    assert office.inbox() == []


async def test_the_queue_works_the_same_on_postgresql(postgresql_store, tmp_path, clock):
    with open_post_office(postgresql_store, tmp_path, clock) as office:
        ids = await office.submit("b@them.test", "c@them.test", "queue@x.test")
        async with running_sink({"RCPT": ["250 ok", "550 5.1.1 no"]}) as sink:
            assert await office.deliver(sink.port) == 3
        assert [office.row(one).state for one in ids] == ["done", "failed", "failed"]
        assert len(office.inbox()) == 1


async def test_nothing_due_is_nothing_done(office):
    async with running_sink() as sink:
        assert await office.deliver(sink.port) == 0
        assert sink.connections == 0


async def test_recipients_of_one_message_share_a_transaction(office):
    ids = await office.submit("b@them.test", "c@them.test", "d@them.test")
    async with running_sink({"RCPT": ["250 ok", "550 5.1.1 unknown", "451 4.2.1 later"]}) as sink:
        await office.deliver(sink.port)
        assert len(sink.messages) == 1 and sink.verbs().count("RCPT") == 3
    assert [office.row(one).state for one in ids] == ["done", "failed", "due"]


async def test_recipients_over_the_servers_number_go_in_further_transactions_of_the_same_attempt(office):
    ids = await office.submit(*(f"r{number}@them.test" for number in range(5)))
    async with running_sink(extensions=("PIPELINING", "LIMITS RCPTMAX=2")) as sink:
        await office.deliver(sink.port)
        assert len(sink.messages) == 3 and sink.connections == 1
    assert {office.row(one).state for one in ids} == {"done"} and {office.row(one).attempts for one in ids} == {1}


async def test_a_busy_server_s_452_is_no_failure(office):
    ids = await office.submit(*(f"r{number}@them.test" for number in range(4)))
    answers = ["250 ok", "250 ok", "452 4.5.3 too many", "452 4.5.3 too many", "250 ok", "250 ok"]
    async with running_sink({"RCPT": answers}) as sink:
        await office.deliver(sink.port)
        assert len(sink.messages) == 2
    assert {office.row(one).state for one in ids} == {"done"}


async def test_many_messages_use_few_connections(office):
    for number in range(60):
        await office.submit(f"r{number}@them.test")
    async with running_sink() as sink:
        assert await office.deliver(sink.port) == 60
        assert len(sink.messages) == 60
        assert sink.connections <= 10 and sink.open_most <= 10
    assert office.calls.count("settle") < 60 and office.calls.count("entering") < 60


async def test_a_connection_carries_no_more_than_its_hundred_messages(office, monkeypatch):
    monkeypatch.setattr("workers.connections.MESSAGES_MAX", 3)
    monkeypatch.setattr("workers.destinations.CONNECTIONS_MAX", 1)
    for number in range(7):
        await office.submit(f"r{number}@them.test")
    async with running_sink() as sink:
        await office.deliver(sink.port)
        assert len(sink.messages) == 7 and sink.connections == 3 and sink.open_most == 1


async def test_a_permanent_refusal_is_told_to_the_sender_once(office):
    ids = await office.submit("b@them.test", "c@them.test", "d@them.test")
    async with running_sink({"RCPT": ["550 5.1.1 unknown", "250 ok", "550 5.7.1 blocked"]}) as sink:
        await office.deliver(sink.port)
        await office.deliver(sink.port)
    (notice,) = office.inbox()
    assert notice.startswith(b"Return-Path: <>\r\nDelivered-To: a@us.test\r\n")
    status = status_of(notice)
    assert "Final-Recipient: rfc822; b@them.test" in status and "Diagnostic-Code: smtp; 550 5.1.1 unknown" in status
    assert "d@them.test" in status and "c@them.test" not in status
    assert [office.row(one).state for one in ids] == ["failed", "done", "failed"]


async def test_a_bounce_of_a_bounce_is_told_to_nobody(office):
    (one,) = await office.submit("b@them.test", mail_from="")
    async with running_sink({"RCPT": "550 5.1.1 unknown"}) as sink:
        await office.deliver(sink.port)
    assert office.row(one).state == "failed" and office.inbox() == []


@pytest.mark.parametrize(("notify", "told"), [("NEVER", 0), ("SUCCESS", 0), ("FAILURE", 1)])
async def test_the_sender_hears_what_he_asked_for(office, notify, told):
    await office.submit("b@them.test", notify=notify)
    async with running_sink({"RCPT": "550 5.1.1 unknown"}) as sink:
        await office.deliver(sink.port)
    assert len(office.inbox()) == told


@pytest.mark.parametrize(("extensions", "told"), [(("DSN",), 0), ((), 1)])
async def test_success_is_told_when_the_server_cannot(office, extensions, told):
    await office.submit("b@them.test", notify="SUCCESS")
    async with running_sink(extensions=extensions) as sink:
        await office.deliver(sink.port)
        assert any("NOTIFY=SUCCESS" in command for command in sink.commands) != bool(told)
    notices = office.inbox()
    assert len(notices) == told and all("Action: relayed" in status_of(notice) for notice in notices)


async def test_a_life_of_five_days_has_its_attempts_one_delay_notice_and_one_failure_notice(office, clock):
    start = clock.wall_ms()
    (one,) = await office.submit("b@them.test")
    tried: list[float] = []
    told: list[tuple[float, int]] = []
    async with running_sink({"RCPT": "451 4.3.0 not today", "DATA": "554 nobody"}) as sink:
        while office.row(one).state == "due":
            clock.move((office.row(one).next_attempt_at - clock.wall_ms()) / 1000)
            tried.append((clock.wall_ms() - start) / 60_000)
            assert await office.deliver(sink.port) == 1
            told.append((tried[-1], len(office.inbox())))
    assert [int(minutes) for minutes in tried[:7]] == [0, 7, 22, 52, 112, 232, 472]
    assert 5 * 24 * 60 - 1 < tried[-1] < 5 * 24 * 60 + 10 and len(tried) == 36
    delayed = next(minutes for minutes, count in told if count == 1)
    assert 200 < delayed <= 240
    delay, failure = office.inbox()
    assert "Action: delayed" in status_of(delay) and "Will-Retry-Until" in status_of(delay)
    assert "Action: failed" in status_of(failure) and "Status: 5.4.7" in status_of(failure)
    assert office.row(one).state == "failed" and office.row(one).attempts == 36


async def test_a_server_nobody_reaches_defers_all_that_waits_by_one_look(office):
    ids = [(await office.submit(f"r{number}@them.test"))[0] for number in range(20)]
    async with running_sink() as sink:
        port = sink.port
    assert await office.deliver(port) == 20
    rows = [office.row(one) for one in ids]
    assert {row.state for row in rows} == {"due"} and {row.last_enhanced for row in rows} == {"4.4.1"}
    assert all(445_000 <= row.next_attempt_at - office.clock.wall_ms() <= 455_000 for row in rows)


async def test_a_lost_connection_after_the_final_dot_is_tried_again_and_said_to_be_unknown(office):
    (one,) = await office.submit("b@them.test")
    async with running_sink({"dot": [DROP, "250 ok"]}) as sink:
        await office.deliver(sink.port)
        row = office.row(one)
        assert row.state == "due" and "may have been taken" in row.last_text
        office.clock.move(600)
        await office.deliver(sink.port)
        assert len(sink.messages) == 2 and office.row(one).state == "done"
    assert b"mailstead_deliver_unknown_total 1" in office.metrics.text()


async def test_a_slow_destination_does_not_hold_up_the_others(office):
    resolver = FakeResolver({"A slow.test": ["127.0.0.2"], "A fast.test": ["127.0.0.1"]})
    for number in range(30):
        await office.submit(f"r{number}@slow.test")
    (fast,) = await office.submit("b@fast.test")
    routes = Routes(private_destinations=True)
    stop = threading.Event()

    async with running_sink() as sink:
        services = office.services(sink.port, routes=routes, resolver=resolver)
        # 127.0.0.2 has no listener at that port with SO_REUSEADDR bound to 127.0.0.1 only: make one that is silent.
        silent = await asyncio.start_server(lambda reader, writer: hold(writer), "127.0.0.2", sink.port)
        held: list[asyncio.StreamWriter] = []

        def hold(writer: asyncio.StreamWriter) -> None:
            held.append(writer)

        running = asyncio.ensure_future(Dispatcher(services, Wakeups(), stop).run())
        while office.row(fast).state != "done":
            await asyncio.sleep(0.01)
        assert len(held) == 1
        stop.set()
        for writer in held:
            writer.transport.abort()
        await running
        silent.close()
        await silent.wait_closed()
        services.lease.close()


async def test_local_recipients_go_to_the_keeper_and_nowhere_else(office):
    (one, missing) = await office.submit("a@us.test", "nobody@us.test", notify="SUCCESS,FAILURE")
    async with running_sink() as sink:
        assert await office.deliver(sink.port, routes=Routes()) == 2
        assert sink.connections == 0
    assert (office.row(one).state, office.row(missing).state) == ("done", "failed")
    delivered, *notices = sorted(office.inbox(), key=lambda octets: b"multipart/report" in octets)
    assert delivered == b"Return-Path: <a@us.test>\r\nDelivered-To: a@us.test\r\n" + CONTENT
    actions = sorted(line for notice in notices for line in status_of(notice).splitlines() if "Action" in line)
    assert actions == ["Action: delivered", "Action: failed"]


async def test_a_null_mx_and_a_domain_that_is_not_there_fail_at_once(office):
    resolver = FakeResolver({"MX null.test": ["0 ."], "A private.test": ["10.0.0.1"]})
    ids = await office.submit("b@null.test", "b@gone.test", "b@private.test")
    await office.deliver(1, routes=Routes(), resolver=resolver)
    rows = [office.row(one) for one in ids]
    assert [(row.state, row.last_code, row.last_enhanced) for row in rows] == [
        ("failed", 556, "5.1.10"),
        ("failed", 550, "5.1.2"),
        ("failed", 550, "5.4.4"),
    ]
    (notice,) = office.inbox()
    assert "Remote-MTA" not in status_of(notice)


async def test_a_dns_that_does_not_answer_defers(office):
    (one,) = await office.submit("b@them.test")
    await office.deliver(1, routes=Routes(), resolver=FakeResolver(failing={"MX them.test"}))
    assert (office.row(one).state, office.row(one).last_enhanced) == ("due", "4.4.3")


async def test_local_recipients_have_it_where_their_rulesets_say(office):
    with office.store.write() as tx:
        rule = '{"verified_domain":"us.test","headers":[["x-tag","^blue"]],"mailbox":"Blue"}'
        incoming.add_ruleset(tx, "a@us.test", rule, parse_ruleset)
    office.tables.reload()
    for tag in (b"Blue moon", b"red"):
        await office.submit("a@us.test", content=b"From: a+x@us.test\r\nX-Tag: %b\r\n\r\nhi\r\n" % tag)
    await office.deliver(1, routes=Routes())
    assert [b"Blue moon" in one for one in office.inbox("Blue")] == [True] and len(office.inbox()) == 1
    # What tells of failure is ours, and in the inbox whatever it looks like.
    content = b"From: a@us.test\r\nX-Tag: blue\r\n\r\nhi\r\n"
    await office.submit("nobody@us.test", notify="FAILURE", content=content)
    await office.deliver(1, routes=Routes())
    assert len(office.inbox()) == 2 and len(office.inbox("Blue")) == 1


async def test_the_local_bundle_simulates_failures(office):
    ids = await office.submit("queuepermerror@x.test", "queuetemperror@x.test", "queue452@x.test", "queue@x.test")
    async with running_sink() as sink:
        await office.deliver(sink.port, simulate_failures=True)
        assert len(sink.messages) == 1
    assert [(office.row(one).state, office.row(one).last_code) for one in ids] == [
        ("failed", 550),
        ("due", 451),
        ("due", 452),
        ("done", 250),
    ]


async def test_what_an_administrator_gives_up_fails_with_his_words(office):
    (one,) = await office.submit("b@them.test")
    with office.store.write() as tx:
        queue_admin.fail(tx, [one], office.clock.wall_ms(), "given up by the administrator")
    async with running_sink() as sink:
        await office.deliver(sink.port)
        assert sink.connections == 0
    assert office.row(one).state == "failed"
    assert "given up by the administrator" in status_of(office.inbox()[0])


async def test_a_message_that_can_not_be_sent_fails_alone(office, monkeypatch):
    """A fault of ours in one message must not hurt its destination."""
    bad, good = (await office.submit("b@them.test"))[0], (await office.submit("c@them.test"))[0]
    with office.store.write() as tx:
        tx.exec_driver_sql("UPDATE queue_recipient SET rcpt_to = 'b@them.test>' || char(10) WHERE id = ?", (bad,))
    async with running_sink() as sink:
        await office.deliver(sink.port)
        assert len(sink.messages) == 1
    assert (office.row(bad).state, office.row(bad).last_enhanced) == ("due", "4.3.0")
    assert office.row(good).state == "done"


async def test_content_with_a_bare_line_end_never_goes_out(office):
    """Security SM-2."""
    (one,) = await office.submit("b@them.test", content=CONTENT + b"x\n.\nMAIL FROM:<evil@us.test>\r\n")
    async with running_sink() as sink:
        await office.deliver(sink.port)
    assert sink.messages == [] and (office.row(one).state, office.row(one).last_code) == ("failed", 554)


async def test_stopping_gives_back_what_was_not_begun(office):
    ids = [(await office.submit(f"r{number}@them.test"))[0] for number in range(10)]
    stop = threading.Event()
    async with running_sink({"dot": HANG}) as sink:
        services = office.services(sink.port, timers=Timers(data_end=0.5))
        running = asyncio.ensure_future(Dispatcher(services, Wakeups(), stop).run())
        while not sink.messages:
            await asyncio.sleep(0.01)
        stop.set()
        await running
        services.lease.close()
    rows = [office.row(one) for one in ids]
    assert {row.state for row in rows} == {"due"}
    # The one that was being sent had its attempt; the others had none.
    assert sorted(row.attempts for row in rows) == [0] * 9 + [1]


async def test_a_keeper_that_is_down_before_the_final_dot_stops_it(office):
    (one,) = await office.submit("b@them.test")
    async with running_sink() as sink:
        original = office.call

        async def call(verb, args, fds=()):
            office.down = verb == "entering"
            return await original(verb, args, fds)

        office.call = call
        await office.deliver(sink.port)
        assert sink.messages == []
    assert office.row(one).state == "due"


async def test_outcomes_wait_for_a_keeper_that_is_down(office, monkeypatch):
    monkeypatch.setattr("workers.settling.RETRY_SECONDS", 0.05)
    (one,) = await office.submit("b@them.test")
    async with running_sink() as sink:
        original, failures = office.call, [1, 1, 1]

        async def call(verb, args, fds=()):
            office.down = verb == "settle" and bool(failures and failures.pop())
            return await original(verb, args, fds)

        office.call = call
        await office.deliver(sink.port)
        assert len(sink.messages) == 1
    assert office.row(one).state == "done" and office.calls.count("settle") == 4


async def test_a_long_run_takes_over_the_claims_of_the_dead(office):
    (one,) = await office.submit("b@them.test")
    with office.store.write() as tx:
        queue.claim(tx, "deliver.1.dead", office.clock.wall_ms(), 10)
    await office.submit("c@them.test")
    async with running_sink() as sink:
        # One look finds the other message; before the run ends the dead owner's claim is due again.
        await office.deliver(sink.port)
        await office.deliver(sink.port)
        assert len(sink.messages) == 2
    assert office.row(one).state == "done"


async def test_every_attempt_leaves_its_trace(office):
    (one,) = await office.submit("b@them.test")
    async with running_sink({"dot": "550 5.7.1 spam"}) as sink:
        await office.deliver(sink.port)
    with office.store.read() as connection:
        found = traces.find(connection, address="b@them.test")
    assert {(row.verdict, row.reason) for row in found} >= {("accepted", "queued"), ("failed", "remote-550")}


async def test_a_wake_up_while_one_runs_is_answered_at_once(office):
    stop = threading.Event()
    wakeups = Wakeups()
    async with running_sink({"greeting": ["220 hello", "220 hello"], "dot": [HANG, "250 ok"]}) as sink:
        first = await office.submit("b@them.test")
        services = office.services(sink.port, timers=Timers(data_end=5))
        running = asyncio.ensure_future(Dispatcher(services, wakeups, stop).run())
        while not sink.messages:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(wakeups.ask, 5.0, stop)
        stop.set()
        sink.released.set()
        await running
        services.lease.close()
        assert office.row(first[0]).state == "due"
