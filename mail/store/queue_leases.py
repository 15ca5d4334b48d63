"""Who holds which claims: renewing leases, and taking back those of the dead (security §3.6)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, update

from mail.queue.states import State, moved
from mail.store import traces
from mail.store.queue_admin import list_queue
from mail.store.schema import attempt, queue_recipient
from mail.store.traces import trace_values

CRASHES_MAX = 3
AHEAD_MAX_MS = 16 * 3_600_000


def renew(tx: Connection, owner: str, until: int) -> None:
    """Keep an owner's leases longer."""
    held = (queue_recipient.c.owner == owner) & (queue_recipient.c.state == State.CLAIMED.value)
    tx.execute(update(queue_recipient).where(held).values(lease_until=until))


def last_ips(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    """The address that the last attempt for each recipient came to, where there was one."""
    wanted = (
        select(attempt.c.queue_recipient_id, attempt.c.ip)
        .where(attempt.c.queue_recipient_id.in_(list(ids)), attempt.c.ip != "")
        .order_by(attempt.c.id)
    )
    return {row.queue_recipient_id: row.ip for row in connection.execute(wanted)}


def bring_near(tx: Connection, now: int) -> int:
    """Bring back what waits farther ahead than any schedule puts it: a wall clock that jumped ahead and back left it
    there (security §3.7). What was never tried may be meant for later. Returns how many.
    """
    far = (queue_recipient.c.state == State.DUE.value) & (queue_recipient.c.next_attempt_at > now + AHEAD_MAX_MS)
    near = update(queue_recipient).where(far, queue_recipient.c.attempts > 0).values(next_attempt_at=now)
    return tx.execute(near).rowcount


def owners(connection: Connection) -> list[str]:
    """Everyone who holds a claim."""
    wanted = select(queue_recipient.c.owner).where(queue_recipient.c.state == State.CLAIMED.value).distinct()
    return list(connection.execute(wanted).scalars())


def has_expired(connection: Connection, now: int) -> bool:
    """Has any lease run out."""
    wanted = select(queue_recipient.c.id).where(
        queue_recipient.c.state == State.CLAIMED.value, queue_recipient.c.lease_until < now
    )
    return connection.execute(wanted.limit(1)).first() is not None


def reap(tx: Connection, dead: Iterable[str], now: int, in_progress: frozenset[int]) -> list[tuple[int, str]]:
    """Take back the claims of dead owners and of leases that ran out; returns (recipient id, phase it died in).

    Only those the owner was sending (`in_progress`) crashed with it: the third time they are held as poison; the others
    were never tried. A death in phase data-end means that the remote may have the message already: the trace says so,
    and the retry may make a duplicate.
    """
    lost = (queue_recipient.c.owner.in_(list(dead))) | (queue_recipient.c.lease_until < now)
    columns = (queue_recipient.c.id, queue_recipient.c.phase, queue_recipient.c.crashes)
    found = tx.execute(select(*columns).where(queue_recipient.c.state == State.CLAIMED.value, lost)).all()
    untried = [one for one, phase, _ in found if phase != "data-end" and one not in in_progress]
    if untried:
        _give_back(tx, untried, now)
    for one, phase, crashes in found:
        if one not in untried:
            _crashed(tx, one, phase, crashes + 1, now)
    return [(one, phase) for one, phase, _ in found]


def _give_back(tx: Connection, ids: list[int], now: int) -> None:
    values = {"state": moved(State.CLAIMED, "released").value, "owner": "", "phase": "", "lease_until": 0}
    which = queue_recipient.c.id.in_(ids)
    again = {"next_attempt_at": now, "attempts": queue_recipient.c.attempts - 1}
    tx.execute(update(queue_recipient).where(which).values(**values, **again))
    running = attempt.c.queue_recipient_id.in_(ids) & (attempt.c.result == "")
    tx.execute(update(attempt).where(running).values(ended_at=now, result="released"))


def _crashed(tx: Connection, one: int, phase: str, crashes: int, now: int) -> None:
    poisoned = crashes >= CRASHES_MAX
    words = "the delivery process died" + (" after the message was sent" if phase == "data-end" else "")
    tx.execute(
        update(queue_recipient)
        .where(queue_recipient.c.id == one)
        .values(
            state=moved(State.CLAIMED, "poison" if poisoned else "released").value,
            reason="poison" if poisoned else "",
            owner="",
            phase="",
            lease_until=0,
            crashes=crashes,
            next_attempt_at=now,
            last_text=words,
        )
    )
    running = (attempt.c.queue_recipient_id == one) & (attempt.c.result == "")
    tx.execute(update(attempt).where(running).values(ended_at=now, result="crashed", text=words))
    traces.add(tx, [_crash_trace(tx, one, phase, poisoned, now)])


def _crash_trace(tx: Connection, recipient_id: int, phase: str, poisoned: bool, now: int) -> dict[str, Any]:
    (row,) = list_queue(tx, ids=[recipient_id])
    return trace_values(
        at=now,
        cid="",
        direction="out",
        account_id=row.account_id,
        queue_recipient_id=recipient_id,
        mail_from=row.mail_from,
        rcpt_to=row.rcpt_to,
        message_id=row.message_id,
        verdict="held" if poisoned else "deferred",
        reason="poison" if poisoned else ("duplicate-possible" if phase == "data-end" else "crashed"),
        detail={"phase": phase},
    )
