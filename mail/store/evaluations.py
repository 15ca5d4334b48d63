"""DMARC evaluations: what the aggregate reports to the domains of authors will be made of (features-1 item 12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select

from mail.store.schema import dmarc_evaluation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One message and recipient, as a report's row will have it. `optional`: by itself no reason for a report.

    `facts`: published (domain, adkim, aspf, p, sp, pct), rua, source_ip, disposition, dkim and spf (aligned or not),
    overrides, envelope_to, envelope_from, header_from, dkim_results, spf_result.
    """

    policy_domain: str
    optional: bool
    interval_hours: int
    facts: dict[str, Any]


def values(evaluations: Sequence[Evaluation], now: int) -> list[dict[str, Any]]:
    """The values of their rows."""
    return [
        {
            "policy_domain": one.policy_domain,
            "at": now,
            "optional": one.optional,
            "interval_hours": one.interval_hours,
            "facts": orjson.dumps(one.facts).decode(),
        }
        for one in evaluations
    ]


def of_domain(connection: Connection, domain: str, until: int) -> list[Evaluation]:
    """Those made before `until`, oldest first."""
    columns = dmarc_evaluation.c
    wanted = (
        select(columns.policy_domain, columns.optional, columns.interval_hours, columns.facts)
        .where(columns.policy_domain == domain, columns.at < until)
        .order_by(columns.at, columns.id)
    )
    return [Evaluation(*row[:-1], orjson.loads(row[-1])) for row in connection.execute(wanted)]


def remove_before(tx: Connection, at: int, most: int) -> int:
    """Forget what no report was made of, a bounded number in a transaction; returns how many went."""
    old = select(dmarc_evaluation.c.id).where(dmarc_evaluation.c.at < at).limit(most).scalar_subquery()
    return int(tx.execute(delete(dmarc_evaluation).where(dmarc_evaluation.c.id.in_(old))).rowcount)
