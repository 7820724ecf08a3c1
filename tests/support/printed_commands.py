"""Commands in texts: found between backticks, and compared with what there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from support.command_tree import all_commands, arguments, options

GROUPS = "demo|report|version|completion|data|request|study|uses|model|audit|ledger|network|node"
_BETWEEN = re.compile(r"`([^`\n]*)`")
_LINE = re.compile(rf"^ *hmchain ((?:{GROUPS})\b.*)$", re.MULTILINE)
_COMMAND = re.compile(rf"\bhmchain (?:{GROUPS})\b")


def printed(text: str) -> Iterator[str]:
    """What stands after the program's name in the commands of a text."""
    yield from (found[1] for found in _LINE.finditer(text))
    for found in _BETWEEN.finditer(text):
        if at := re.search(r"(?:^|/| -m )hmchain (.*)", found[1]):
            yield at[1]


def loose(text: str) -> str:
    """A command of a text that has no line of its own and is not between backticks, if there is one."""
    found = _COMMAND.search(_LINE.sub("", _BETWEEN.sub("", text)))
    return found[0] if found else ""


def fault(words: str) -> str:
    """What is wrong with a command as it is printed; empty if it can be run as soon as capitals are filled in."""
    try:
        parts = shlex.split(words)
    except ValueError as error:
        return str(error)
    if "VALUE" in parts[:2]:
        return ""  # which command it is, is told by a table
    if parts[:1] == ["uses"] and " ".join(parts[:2]) not in all_commands():
        parts.insert(1, "list")  # what is asked most needs no more than the group's name
    size = next((size for size in (3, 2, 1) if " ".join(parts[:size]) in all_commands()), 0)
    if not size:
        return "there is no such command"
    command = all_commands()[" ".join(parts[:size])]
    known = {name: option for option in options(command) for name in option.opts} | dict.fromkeys(("--help", "-h"))
    given, values = _divided(parts[size:], known)
    if unknown := [name for name in given if name not in known]:
        return f"it takes no {unknown[0]}"
    missing = [option.opts[0] for option in options(command) if option.required and not set(option.opts) & set(given)]
    if missing and "--help" not in given:
        return f"it needs {missing[0]}"
    least = sum(each.required for each in arguments(command))
    most = float("inf") if any(each.nargs == -1 for each in arguments(command)) else len(arguments(command))
    return "" if least <= len(values) <= most or "--help" in given else f"it takes {least} to {most} arguments"


def _divided(parts: list[str], known: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of options, and arguments."""
    given, values, rest = [], [], iter(parts)
    for part in rest:
        name = part.partition("=")[0]
        if name.startswith("--"):
            given.append(name)
            option = known.get(name)
            if option is not None and not option.is_flag and "=" not in part:
                next(rest, None)
        else:
            values.append(part)
    return given, values
