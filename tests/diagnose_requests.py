"""Requests to `mailctl diagnose batch`, as its callers write them, and the answers."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mail.check.batch import Batch
from mail.now import SetClock

BATCH = Batch(None, SetClock(), "mx.receiver.example")


async def answer(check: str, **values: Any) -> dict[str, Any]:
    """`message` may be octets."""
    octets = values.get("message")
    if isinstance(octets, bytes):
        values["message"] = base64.b64encode(octets).decode()
    found = await BATCH.answer(json.dumps({"check": check, **values}).encode())
    json.dumps(found)
    return found


def texts(records: Mapping[str, str | Sequence[str]]) -> dict[str, list[dict[str, str]]]:
    """A zone of TXT records."""
    return {
        name: [{"TXT": text} for text in ([found] if isinstance(found, str) else found)]
        for name, found in records.items()
    }
