"""What operations look at: /healthz for everyone who may reach us, /metrics for the administrator."""

import time
from collections.abc import Callable
from typing import Any

import orjson
import redis
from flask import Blueprint, Response, current_app, jsonify, request
from redis.exceptions import RedisError

from mail import metrics
from mail.errors import BadCredentials, MailError
from mail.rpc import BlockingClient
from mail.runtime.stored import StoredWorld
from mail.store import revision

blueprint = Blueprint("operations", __name__)

CLOCK_LATE_MS = 20_000
# Without the first two mail comes in and goes out a few seconds later; without sign users are told to try again.
DEGRADING = {"redis", "clock", "sign"}


def _world() -> StoredWorld:
    world: StoredWorld = current_app.extensions["world"]
    return world


def _client(name: str) -> BlockingClient:
    client: BlockingClient = current_app.extensions[name]
    return client


@blueprint.get("/")
def root() -> Response:
    return Response("Mailstead\n", mimetype="text/plain")


def _state(check: Callable[[], Any]) -> dict[str, Any]:
    """What a check says, and how long it took."""
    started = time.monotonic()
    try:
        check()
        state: dict[str, Any] = {"state": "ok"}
    except (MailError, RedisError, OSError) as error:
        state = {"state": "failed", "error": getattr(error, "public", "") or type(error).__name__}
    return {**state, "ms": round((time.monotonic() - started) * 1000, 1)}


def _keeper_takes_mail() -> None:
    if not _client("keeper").call("space", {"size": 0})["ok"]:
        raise MailError(public="the disk reserve is reached or a storage fault stops mail; see the keeper's log")


def _ping_redis() -> None:
    with redis.Redis.from_url(_world().settings.redis, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


def _clock_ticks() -> None:
    """The clock writes its file every few seconds; one that hangs does not."""
    written = orjson.loads((_world().settings.run_dir / "health/clock.json").read_bytes())
    if _world().clock.wall_ms() - int(written["at"]) > CLOCK_LATE_MS:
        raise MailError(public="the clock is late; workers go on by their own ticks")


@blueprint.get("/healthz")
def healthz() -> tuple[Response, int]:
    """Each dependency with its state. 503 when mail cannot come in or be read; the others only degrade."""
    checks = {
        "database": _state(lambda: revision.check(_world().store)),
        "keeper": _state(_keeper_takes_mail),
        "auth": _state(lambda: _client("auth").call("allowed", {"ip": "127.0.0.1"})),
        "sign": _state(lambda: _client("sign").call("list", {"most": 1})),
        "redis": _state(_ping_redis),
        "clock": _state(_clock_ticks),
    }
    broken = [name for name, check in checks.items() if check["state"] != "ok"]
    state = "ok" if not broken else ("degraded" if DEGRADING.issuperset(broken) else "failed")
    return jsonify({"state": state, "checks": checks}), 503 if state == "failed" else 200


def require_admin() -> None:
    """HTTP basic or bearer with the administrator's password; BadCredentials, TooManyFailures."""
    given = request.authorization
    password = (given.password or given.token or "") if given is not None else ""
    if not password:
        raise BadCredentials("no password given")
    _client("auth").call("admin_check", {"password": password, "ip": request.remote_addr or ""})


@blueprint.get("/metrics")
def all_metrics() -> Response:
    """The metrics of every process, with its program and pid as labels."""
    require_admin()
    text = metrics.merged(metrics.read_all(_world().settings.metrics_dir))
    return Response(text, mimetype="text/plain; version=0.0.4")
