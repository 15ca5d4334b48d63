"""Where other people's test vectors are: beside the repository, read in place, never copied into it."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def vectors(name: str) -> Path:
    """The folder or file `name` below `$MAILSTEAD_VECTORS`, or below `../shared/vectors`.

    Skips the test where neither is, as on a newcomer's machine. A named folder that lacks it is an error: whoever names
    one wants these tests run.
    """
    named = os.environ.get("MAILSTEAD_VECTORS")
    path = Path(named or ROOT.parent / "shared" / "vectors") / name
    if not path.exists():
        assert not named, f"MAILSTEAD_VECTORS={named} has no {name}"
        pytest.skip(f"no {name}: set MAILSTEAD_VECTORS to the folder of test vectors")
    return path
