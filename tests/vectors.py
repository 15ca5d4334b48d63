"""Where other people's test vectors are: beside the repository, read in place, never copied into it."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def vectors(name: str) -> Path:
    """The folder or file `name` below `$MAILSTEAD_VECTORS` or `../shared/vectors`; skips the test without it."""
    path = Path(os.environ.get("MAILSTEAD_VECTORS") or ROOT.parent / "shared" / "vectors") / name
    if not path.exists():
        pytest.skip("vectors not here")
    return path
