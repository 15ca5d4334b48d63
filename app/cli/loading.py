"""Groups of commands that are loaded when they are called: each command pays only for the imports that it needs.

Commands are named `module:attribute`; a test loads every one.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LoadedGroup(click.Group):
    """`places`: where each command is, by its name, in the order of the help."""

    def __init__(self, *args: Any, places: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places

    def list_commands(self, context: click.Context) -> list[str]:
        return [*self._places, *super().list_commands(context)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self._places:
            return super().get_command(context, name)
        module, _, attribute = self._places[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command
