"""Counting what TLS came to with other hosts, by day, policy and result, for the reports to them (RFC 8460 §4)."""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select

from mail.queue.tls_result import TlsResult
from mail.store.outbound_schema import tls_result
from mail.store.rows import storable, upsert


def add(tx: Connection, results: Sequence[TlsResult]) -> None:
    """Add their sessions to those of the same day, policy, host and result."""
    rows: dict[str, dict[str, Any]] = {}
    for one in results:
        row = _row(one)
        known = rows.setdefault(row["key"], row)
        if known is not row:
            known["sessions"] += row["sessions"]
    if rows:
        insert = upsert(tx.dialect.name, tls_result)
        total = tls_result.c.sessions + insert.excluded.sessions
        # In one order for all writers: PostgreSQL locks rows as they come.
        tx.execute(
            insert.on_conflict_do_update(index_elements=tls_result.primary_key, set_={"sessions": total}),
            [rows[key] for key in sorted(rows)],
        )


def of_day(connection: Connection, day: int) -> list[TlsResult]:
    """All of a day, those of one policy domain together."""
    columns = tls_result.c
    wanted = select(tls_result).where(columns.day == day).order_by(columns.policy_domain, columns.key)
    return [_result(row._mapping) for row in connection.execute(wanted)]


def remove_before(tx: Connection, day: int, most: int) -> int:
    """Forget those of earlier days, a bounded number in a transaction; returns how many went."""
    old = select(tls_result.c.key).where(tls_result.c.day < day).limit(most).scalar_subquery()
    return int(tx.execute(delete(tls_result).where(tls_result.c.key.in_(old))).rowcount)


def _row(one: TlsResult) -> dict[str, Any]:
    texts = {
        name: storable(getattr(one, name))
        for name in (
            *("policy_domain", "recipient_domain", "policy_type", "result_type", "reason"),
            *("mx_host", "receiving_ip", "sending_ip"),
        )
    }
    policy = orjson.dumps({"policy": one.policy, "mx": one.mx_patterns}).decode()
    values = {"day": one.day, "is_host": one.is_host, "policy": policy, **texts}
    key = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    return {"key": key, **values, "sessions": one.sessions}


def _result(row: Any) -> TlsResult:
    fields = {name: value for name, value in row.items() if name not in ("key", "policy")}
    policy = orjson.loads(row["policy"])
    return TlsResult(**fields, policy=tuple(policy["policy"]), mx_patterns=tuple(policy["mx"]))
