"""Which Mailstead a command is about: the host's, or the local bundle in a folder. Opens nothing but the settings."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from mail.config import settings as config
from mail.config.settings import Settings
from mail.now import SystemClock
from mail.runtime.world import settings_path


@dataclass
class Place:
    folder: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """Invalid when there are none, or none that can be read."""
        return config.load_file(self.folder / "mailstead.toml" if self.folder else settings_path())

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock()


pass_place = click.make_pass_decorator(Place, ensure=True)
