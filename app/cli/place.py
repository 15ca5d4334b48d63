"""Which Mailstead a command is about: the host's, or the local bundle in a folder. Opens nothing but the settings.

Where neither is named and the host has none, it is the bundle that `./serve` made in this checkout, if there is one.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from mail.config import settings as config
from mail.config.settings import Settings
from mail.now import SystemClock
from mail.runtime.world import settings_path

# Where `./serve` puts a bundle when it is not told.
LOCAL = Path(__file__).parents[2] / "local"
FILE = "mailstead.toml"


@dataclass
class Place:
    folder: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """Invalid when there are none, or none that can be read."""
        return config.load_file(self._file())

    def _file(self) -> Path:
        if self.folder is not None:
            return self.folder / FILE
        hosts = settings_path()
        return LOCAL / FILE if not hosts.exists() and (LOCAL / FILE).exists() else hosts

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock()


pass_place = click.make_pass_decorator(Place, ensure=True)
