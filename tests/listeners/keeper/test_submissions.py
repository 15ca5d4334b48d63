"""What `submit` takes and keeps of a submission, and the limits it holds everybody to."""

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from mail.errors import Invalid, MessageLimit, RecipientLimit
from mail.imap.summary import summarize
from mail.sasl import tickets
from mail.smtp.future_release import INTERVAL_MAX
from mail.smtp.replies import reply_for
from mail.store import queue, send_limits
from mail.store.schema import queue_message, queue_recipient
from mail.submit.extra import OCTETS_MAX
from tests.keeper_office import TICKET_KEY, Office, asked, letter


async def submit(office: Office, *recipients: str, door: str = "smtp", **more: Any) -> dict[str, Any]:
    octets = letter(1)
    arguments = {
        "cid": "s" * 16,
        "ticket": tickets.make(TICKET_KEY, office.ann, door, office.clock.wall_ms()),
        "account_id": office.ann,
        "mail_from": "ann@a.example",
        "size": len(octets),
        "summary": summarize(octets).as_json(),
        "recipients": [{"address": one} for one in recipients],
        **more,
    }
    return await asked(office, "submit", arguments, octets)


def kept(office: Office) -> Any:
    with office.store.read() as connection:
        return connection.execute(select(queue_message)).mappings().one()


def queued(office: Office) -> int:
    with office.store.read() as connection:
        return len(connection.execute(select(queue_recipient.c.id)).all())


async def test_what_was_asked_of_a_message_is_kept_with_it(office: Office) -> None:
    until = office.clock.wall_ms() + 3_600_000
    await submit(
        office,
        "x@out.example",
        require_tls=True,
        hold_until_at=until,
        future_release="for;3600",
        extra={"User-Id": "7"},
        envid="e+1",
        ret="HDRS",
    )
    row = kept(office)
    assert (row["require_tls"], row["release_at"], row["future_release"]) == (True, until, "for;3600")
    assert orjson.loads(row["extra"]) == {"User-Id": "7"} and (row["envid"], row["ret"]) == ("e+1", "HDRS")
    office.clock.move(3601)
    with office.store.write() as tx:
        (one,) = queue.claim(tx, "w", office.clock.wall_ms(), 10)
    assert (one.release_at, one.future_release, one.require_tls) == (until, "for;3600", True)
    assert one.expires_at > until


async def test_nothing_asked_is_nothing_kept(office: Office) -> None:
    await submit(office, "x@out.example")
    row = kept(office)
    assert (row["require_tls"], row["release_at"], row["extra"]) == (None, 0, "{}")


@pytest.mark.parametrize(
    "more",
    [
        {"require_tls": "yes"},
        {"extra": ["x"]},
        {"ret": "ALL"},
        {"envid": "x\ny"},
        {"envid": "x" * 101},
        {"future_release": "for;1\r\nX: y"},
        {"recipients": [{"address": "x@out.example", "notify": "NEVER SIZE=1"}]},
        {"recipients": [{"address": "x@out.example", "orcpt": "rfc822;a\r\nb"}]},
        {"extra": {"A": "y" * OCTETS_MAX}},
        {"recipients": []},
        {"recipients": [{"address": f"r{number}@x.example"} for number in range(1001)]},
    ],
)
async def test_a_listener_that_was_taken_over_is_held_to_the_bounds(office: Office, more: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await submit(office, "x@out.example", **more)
    too_far = office.clock.wall_ms() + 1000 * INTERVAL_MAX + 61_000
    with pytest.raises(Invalid):
        await submit(office, "x@out.example", hold_until_at=too_far)


async def test_a_refusal_takes_no_neighbour_with_it(office: Office) -> None:
    with office.store.write() as tx:
        send_limits.change_limits(tx, office.ann, max_outgoing_messages_per_day=5)
    answers = await asyncio.gather(*(submit(office, "b@out.example") for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(one, MessageLimit) for one in answers) == 4
    assert sum(isinstance(one, dict) for one in answers) == queued(office) == 5
    assert office.wrong() == [] and len(list(office.blobs.stored())) == 0


async def test_limits_hold_whichever_door_it_came_by(office: Office) -> None:
    with office.store.write() as tx:
        send_limits.change_limits(tx, office.ann, max_outgoing_messages_per_day=4, max_first_time_recipients_per_day=2)
    await submit(office, "b@out.example")
    await submit(office, "c@out.example", door="web")
    with pytest.raises(RecipientLimit) as new:
        await submit(office, "d@out.example")
    reply = reply_for(new.value)
    assert (reply.code, reply.enhanced) == (451, "4.7.1") and "max_first_time_recipients_per_day" in reply.text
    with pytest.raises(RecipientLimit):
        await submit(office, "b@out.example", "d@out.example", door="web")
    assert queued(office) == 2, "all or nothing"
    await submit(office, "b@out.example", "c@out.example")
    with pytest.raises(MessageLimit) as much:
        await submit(office, "b@out.example", door="web")
    reply = reply_for(much.value)
    assert (reply.code, reply.enhanced) == (451, "4.7.1") and "max_outgoing_messages_per_day" in reply.text
    assert queued(office) == 4 and office.wrong() == []
    counted = office.metrics.text().decode()
    for result, number in (("ok", 3), ("recipientlimiterror", 2), ("messagelimiterror", 1)):
        assert f'submission_total{{result="{result}"}} {number}\n' in counted
