"""A running bundle, one for all tests of the web process and mailctl; each test uses names of its own."""

import json
import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.commands import mailctl
from tests.bundle import Bundle, running_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    with running_bundle(tmp_path_factory.mktemp("bundle")) as running:
        yield running


Run = Callable[..., Result]


@pytest.fixture
def run(bundle: Bundle) -> Run:
    """mailctl in this process, on the bundle; what it raised is in the result's `exception`."""

    def invoke(*words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(mailctl, ["--dir", str(bundle.folder), *words], input=input)

    return invoke


@pytest.fixture
def told(run: Run) -> Callable[..., Any]:
    """What a command prints with --json."""

    def invoke(*words: str, input: str | None = None) -> Any:
        result = run(*words, "--json", input=input)
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.output)

    return invoke


@pytest.fixture
def submit(bundle: Bundle) -> Callable[..., None]:
    """Send a message from the bundle's account through its queue."""

    def send(rcpt_to: str, subject: str = "hello") -> None:
        message = EmailMessage()
        message["From"] = bundle.ready["account"]
        message["To"] = rcpt_to
        message["Subject"] = subject
        message.set_content("text")
        with smtplib.SMTP(*bundle.address("submission"), timeout=20) as client:
            client.starttls(context=bundle.tls)
            client.login(bundle.ready["account"], bundle.ready["password"])
            client.send_message(message)

    return send
