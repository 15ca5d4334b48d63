import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.bundle import Bundle, wait_until


def get(bundle: Bundle, path: str, authorization: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://{bundle.ready['web']}{path}", headers={"Accept": "application/json"})
    if authorization:
        request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


def health(bundle: Bundle) -> tuple[int, dict[str, Any]]:
    status, octets = get(bundle, "/healthz")
    return status, json.loads(octets)


def test_a_healthy_bundle_names_each_dependency(bundle: Bundle):
    status, told = health(bundle)
    assert (status, told["state"]) == (200, "ok")
    assert told["checks"].keys() == {"database", "keeper", "auth", "sign", "redis", "clock"}
    assert all(check["state"] == "ok" and check["ms"] >= 0 for check in told["checks"].values())


def test_without_redis_and_sign_it_is_degraded_and_without_auth_it_has_failed(bundle: Bundle):
    try:
        bundle.supervisorctl("stop", "redis", "sign")
        status, told = health(bundle)
        assert (status, told["state"], told["checks"]["redis"]["state"]) == (200, "degraded", "failed")
        assert told["checks"]["sign"]["state"] == "failed"
        bundle.supervisorctl("stop", "auth")
        status, told = health(bundle)
        assert (status, told["state"], told["checks"]["auth"]["state"]) == (503, "failed", "failed")
    finally:
        bundle.supervisorctl("start", "redis", "sign", "auth")
    wait_until(lambda: health(bundle)[0] == 200, 20, "health")


@pytest.mark.parametrize("authorization", ["", basic("wrong password"), "Bearer wrong", "Basic ???", "Digest x=y"])
def test_metrics_are_for_the_administrator_only(bundle: Bundle, authorization: str):
    status, octets = get(bundle, "/metrics", authorization)
    assert status == 401 and b"mailstead" not in octets


def test_metrics_of_every_program_are_merged(bundle: Bundle):
    password = bundle.ready["admin_password"]
    for authorization in (basic(password), f"Bearer {password}"):
        status, octets = get(bundle, "/metrics", authorization)
        assert status == 200
    text = octets.decode()
    programs = set(re.findall(r'program="([a-z]+)"', text))
    assert programs == {"mx", "submission", "imap", "keeper", "auth", "sign", "web", "deliver", "chores", "clock"}
    pids = set(re.findall(r'process_open_fds{program="mx",pid="(\d+)"}', text))
    assert len(pids) == 2
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \S+ .+|[a-z_]+{[^}]*} [-+0-9.e]+", line), line
