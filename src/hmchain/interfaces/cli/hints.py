"""Commands that are printed: they begin as this program was called, and go to the folder that this command was given.

A text says them between backticks, as `hmchain study status`, or on a line of their own. What takes which folder is
written down here, since the commands themselves are imported when they are called; a test compares the two.
"""

from __future__ import annotations

import re
import shlex
from contextvars import ContextVar
from enum import Enum
from pathlib import Path

from hmchain.interfaces.program import NAME, program


class Takes(Enum):
    """The folders that commands take by `--dir`."""

    NOTHING = "none"
    RUN = "of a run, a node or a ledger"
    NODE = "of a node"
    HOSPITAL = "of a hospital, which may be a node's"


_GROUPS = {
    "data": Takes.HOSPITAL,
    "consent": Takes.HOSPITAL,
    "node": Takes.NODE,
    "network": Takes.NODE,
    "study": Takes.NODE,
    "people": Takes.NODE,
    "sign": Takes.NODE,
    "request": Takes.NODE,
    "share": Takes.NODE,
    "policy": Takes.NODE,
    "cohort": Takes.NODE,
    "release": Takes.NODE,
    "incident": Takes.NODE,
}
_OTHERS = {
    **dict.fromkeys(
        (
            "demo",
            "version",
            "completion",
            "data selftest",
            "audit proof",
            "audit check",
            "ledger check-proof",
            "release check",
        ),
        Takes.NOTHING,
    ),
    **dict.fromkeys(
        ("network init", "sign show", "sign attach", "sign challenge", "policy new", "policy test", "policy codes"),
        Takes.NOTHING,
    ),
    **dict.fromkeys(("study status", "study list", "study show"), Takes.RUN),
    **dict.fromkeys(("request list", "request show", "request terms"), Takes.RUN),
    **dict.fromkeys(("policy show", "policy terms", "policy history", "policy diff"), Takes.RUN),
    **dict.fromkeys(("network status", "network ballots", "network parameters", "network upgrade show"), Takes.RUN),
    **dict.fromkeys(("release list", "release show"), Takes.RUN),
    **dict.fromkeys(("incident list", "incident show"), Takes.RUN),
    **dict.fromkeys(("share list", "share show", "share emergencies"), Takes.RUN),
    **dict.fromkeys(("cohort datasets", "cohort list", "cohort budget"), Takes.RUN),
    **dict.fromkeys(("audit anchor", "audit bundle"), Takes.NODE),
    **dict.fromkeys(
        (
            "audit events",
            "model export",
            "release evidence",
            "release file",
            "uses patient",
            "cohort result",
            "cohort check",
            "doctor",
        ),
        Takes.HOSPITAL,
    ),
}
ABOUT_ONE = (
    "study show",
    "cohort budget",
    "incident show",
    "policy show",
    "policy terms",
    "policy history",
    "policy diff",
    "request show",
    "request terms",
    "release show",
    "share show",
    "uses why",
    "ledger tx",
    "ledger proof",
    "model predict",
    "audit verify-record",
)
"""Commands on a run that have an argument of their own, which is no folder."""
_LEAST = {"report": 1, "portal": 1, "doctor": 1, "network upgrade": 3, "people recover": 3}
"""Words of a command, where they are not two; one alone is a group of commands."""
_LINE = re.compile(rf"^( *){NAME} ([a-z].*)$", re.MULTILINE)
_COMMAND = re.compile(rf"`{NAME}( [^`\n]*)?`")

_given: ContextVar[tuple[str, Path] | None] = ContextVar("given", default=None)
"""The command that runs and the folder that it was told, if it was told one on its command line."""


def takes(words: str) -> Takes:
    """The folder that a command takes, which is given as it is typed: `study status --wide`."""
    one, two, three = (" ".join(words.split()[:count]) for count in (1, 2, 3))
    return _OTHERS.get(three) or _OTHERS.get(two) or _OTHERS.get(one) or _GROUPS.get(one, Takes.RUN)


def remember(command: str, folder: Path) -> None:
    """Have printed commands go to the folder that `command` was given."""
    _given.set((command, folder))


def forget() -> None:
    """Begin afresh: no folder was given."""
    _given.set(None)


def whole(text: str) -> str:
    """`text` with its commands as they work here."""
    text = _LINE.sub(lambda found: f"{found[1]}{called(found[2])}", text)
    return _COMMAND.sub(lambda found: f"`{called(found[1] or '')}`", text)


def called(words: str) -> str:
    """A command as it works here, given what stands after the program's name."""
    given = _given.get()
    more = f" --dir {shlex.quote(str(given[1]))}" if given and _goes_there(words, *given) else ""
    return f"{program()} {words.strip()}{more}".rstrip()


def _goes_there(words: str, running: str, folder: Path) -> bool:
    """Tell whether a command wants the folder of the one that runs, and does not name one itself.

    A folder without a ledger that is asked about its network is to become a node's.
    """
    from hmchain.application.site.node import NodeFolder
    from hmchain.application.site.run import holds_ledger

    parts, wants = words.split(), takes(words)
    size = next((least for begin, least in _LEAST.items() if words.strip().startswith(begin)), 2)
    if {"--dir", "--node", "--help"} & set(parts) or len(parts) < size:
        return False
    if wants is Takes.RUN and " ".join(parts[:2]) not in ABOUT_ONE and parts[size:] and parts[size][0] != "-":
        return False  # the folder is its argument
    meant = takes(running)
    if running.startswith("network ") and not folder.is_file() and not holds_ledger(folder):
        meant = Takes.NODE
    return wants is not Takes.NOTHING and (wants is meant or NodeFolder(folder).toml.is_file())
