import json
from collections.abc import Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.exceptions import NotFound

from app import errors as wire
from mail import errors
from mail.errors import MailError
from mail.log import Log


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    app = Flask("test", static_folder=None)
    path = tmp_path_factory.mktemp("log") / "log"
    with open(path, "w+b") as file:
        wire.register(app, Log({}, descriptor=file.fileno()))

        @app.get("/ours/<kind>")
        def ours(kind: str) -> Response:
            raise getattr(errors, kind)("secret detail")

        @app.get("/crash")
        def crash() -> Response:
            raise RuntimeError("secret <b>detail</b>")

        app.config["LOG"] = path
        yield app.test_client()


def every_error() -> list[type[MailError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MailError)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_keeps_its_detail(client: FlaskClient, kind: type[MailError]):
    response = client.get(f"/ours/{kind.__name__}", headers={"Accept": "application/json"})
    assert response.status_code == wire.status_of(kind())
    assert response.json == {"error": kind.__name__, "message": kind.public}
    assert b"secret" not in response.data


def test_a_browser_gets_a_page_without_markup_of_others(client: FlaskClient):
    response = client.get("/<script>alert(1)</script>", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response.mimetype == "text/html" and b"<h1>Not Found</h1>" in response.data
    assert b"<script>" not in response.data


def test_a_crash_is_logged_and_not_shown(client: FlaskClient):
    response = client.get("/crash", headers={"Accept": "application/json"})
    assert response.status_code == 500 and b"secret" not in response.data
    line = json.loads(client.application.config["LOG"].read_text())
    assert (line["event"], line["path"]) == ("request-failed", "/crash")
    assert "secret" in line["error"]


def test_who_must_prove_himself_is_told_how(client: FlaskClient):
    response = client.get("/ours/BadCredentials")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_who_must_wait_is_told_how_long(client: FlaskClient):
    for kind in ("TooManyFailures", "Unavailable"):
        assert int(client.get(f"/ours/{kind}").headers["Retry-After"]) > 0


def test_headers_of_http_errors_are_kept(client: FlaskClient):
    response = client.post("/crash")
    assert response.status_code == 405 and "GET" in response.headers["Allow"]
    assert NotFound.code == 404
