"""All commands of `hmchain`, loaded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from hmchain.interfaces.cli.lazy import LazyCommand
from hmchain.interfaces.cli.main import app


@cache
def all_commands() -> dict[str, Any]:
    """Every command that does something, by what is typed after `hmchain`."""
    return dict(_below(typer.main.get_command(app), ""))


def _below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    command = command.loaded if isinstance(command, LazyCommand) else command
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child, of in children.items():
        yield from _below(of, f"{name} {child}".strip())


def options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option"]


def arguments(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "argument"]
