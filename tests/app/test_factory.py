import urllib.error
import urllib.request
from email.message import Message

import pytest

from app.factory import HEADERS
from tests.bundle import Bundle


def ask(bundle: Bundle, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Message]:
    request = urllib.request.Request(f"http://{bundle.ready['web']}{path}", data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 200), ("/healthz", "GET", 200), ("/none", "GET", 404), ("/metrics", "GET", 401), ("/", "POST", 405)],
)
def test_every_answer_has_the_headers_that_protect_it(bundle: Bundle, path: str, method: str, status: int):
    # Security WE-5.
    found, headers = ask(bundle, path, method)
    assert found == status
    for name, value in HEADERS.items():
        assert headers[name] == value, name
    assert headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in headers


def test_no_answer_names_the_server_and_its_version(bundle: Bundle):
    _, headers = ask(bundle, "/none")
    assert not any(character.isdigit() for character in headers.get("Server", ""))


def test_nothing_inline_and_nothing_foreign_may_run():
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy


def test_a_body_larger_than_the_limit_is_refused(bundle: Bundle):
    status, _ = ask(bundle, "/", "POST", b"x" * (2 << 20))
    assert status in (405, 413)


def test_the_icon_every_browser_asks_for_is_not_there(bundle: Bundle):
    assert ask(bundle, "/favicon.ico")[0] == 404
