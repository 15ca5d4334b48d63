"""One bundle for all tests of a file: they look at it from outside and leave it running."""

from collections.abc import Iterator

import pytest

from tests.bundle import Bundle, running_bundle
from tests.receiving import Host, running_host


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    with running_bundle(tmp_path_factory.mktemp("b")) as running:
        yield running


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A bundle that checks arriving mail, started with the OPTIONS of the file if it has any."""
    with running_host(tmp_path_factory.mktemp("h"), *getattr(request.module, "OPTIONS", ())) as running:
        yield running
