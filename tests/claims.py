"""Claimed recipients for tests that need no queue."""

from typing import Any

from mail.store.queue import Claimed

NOW = 1_800_000_000_000
DAY_MS = 86_400_000
CONTENT = b"From: a@us.test\r\nSubject: hello\r\n\r\n.body\r\n"


def claimed(rcpt_to: str = "b@them.test", **given: Any) -> Claimed:
    """A first attempt at `rcpt_to`, its content in the row."""
    number = given.pop("id", 1)
    fields: dict[str, Any] = {
        "id": number,
        "attempt_id": number + 1000,
        "attempts": 1,
        "queue_message_id": 1,
        "account_id": 1,
        "rcpt_to": rcpt_to,
        "domain": rcpt_to.rpartition("@")[2],
        "orcpt": "",
        "notify": "",
        "expires_at": NOW + 5 * DAY_MS,
        "queued_at": NOW,
        "delay_dsn_sent": False,
        "mail_from": "a@us.test",
        "blob_id": "0" * 32,
        "folder": "",
        "blob_size": len(CONTENT),
        "octets": CONTENT,
        "prefix": b"",
        "size": len(CONTENT),
        "message_id": "1@us.test",
        "envid": "",
        "ret": "",
        "eightbit": False,
        "smtputf8": False,
        "require_tls": None,
        "release_at": 0,
        "future_release": "",
        "cid": "c1d",
        "reason": "",
        "last_text": "",
        "last_code": 0,
        "return_to": "",
        "last_ip": "",
    }
    assert given.keys() <= fields.keys()
    return Claimed(**{**fields, **given})
