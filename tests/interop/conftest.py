"""One bundle for all tests of a file: they look at it from outside and leave it running."""

from collections.abc import Iterator

import pytest

from tests.bundle import Bundle, running_bundle
from tests.deliver_sink import Sink, sink_beside
from tests.receiving import Host, running_host


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    with running_bundle(tmp_path_factory.mktemp("b")) as running:
        yield running


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Where the mail goes that leaves `host`."""
    with sink_beside() as made:
        yield made


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A bundle that checks arriving mail, started with the OPTIONS of the file if it has any. In a file WITH_SINK what
    leaves it goes to `sink`.
    """
    options = [*getattr(request.module, "OPTIONS", ())]
    if getattr(request.module, "WITH_SINK", False):
        options += ["--deliver-to", f"127.0.0.1:{request.getfixturevalue('sink').port}"]
    with running_host(tmp_path_factory.mktemp("h"), *options) as running:
        yield running
