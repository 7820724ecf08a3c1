"""Commands whose modules are imported when they are called: `hmchain --help` knows their names and a sentence each."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from hmchain.processes import making_what_stays


class LazyCommand(TyperCommand):
    """The name of a command or group, until somebody calls it; `module`, of this package, has it as `app`."""

    def __init__(self, panel: str, name: str, module: str, text: str) -> None:
        super().__init__(name, help=text, rich_help_panel=panel)
        self.called, self.module = name, module

    @cached_property
    def loaded(self) -> Any:
        """The command of this name in the module, or else the module's group, whose text stands here alone."""
        with making_what_stays():
            module = import_module(f"{__package__}.{self.module}")
        group = typer.main.get_group(module.app)
        command = group.commands.get(self.called, group)
        command.name = self.called
        command.help = command.help or self.help
        return command


class LazyGroup(TyperGroup):
    """A group that imports what it is asked for, and nothing else."""

    deferred: ClassVar[tuple[LazyCommand, ...]] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for each in self.deferred:
            self.add_command(each)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first of `args` names, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.loaded if isinstance(command, LazyCommand) else command, rest
