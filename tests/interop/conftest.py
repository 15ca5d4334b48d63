"""One bundle for all tests of a file: they look at it from outside and leave it running."""

from collections.abc import Iterator

import pytest

from tests.bundle import Bundle, running_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    with running_bundle(tmp_path_factory.mktemp("b")) as running:
        yield running
