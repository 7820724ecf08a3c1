"""What commands leave in a hospital's log of security events: none that changes something leaves nothing.

Services write down what they do, and what they send to the ledger. Where none of them did, the command itself is the
event; so it is where a command fails, and where one that only reads is an audit or could not open a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from hmchain.application.security.events import BEGUN, DONE, SENT, Event, Kind
from hmchain.application.security.log import watched
from hmchain.application.site.hospital import HospitalFolder, locate
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import hospital_of, note
from hmchain.errors import HMChainError, KeyMaterialError
from hmchain.interfaces.cli import acting

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("audit verify", "audit events", "node audit"),
                    Kind.AUDIT),
    **dict.fromkeys(("node init", "node trainers", "node units", "network join", "network init"),
                    Kind.CONFIGURATION_CHANGED),
    **dict.fromkeys(("node rotate-key", "people key", "people recover request", "people recover trust"),
                    Kind.KEY_CHANGED),
    **dict.fromkeys(("node export-ledger", "audit bundle"), Kind.LOG_EXPORTED),
}  # fmt: skip
"""Of commands that are more than one of them."""
PREPARED = "prepared"
"""Outcome of what was written to be signed elsewhere, and not sent."""
AUDITORS = frozenset(("audit verify", "audit events"))
"""What is asked of copies, too."""


@contextmanager
def recorded(words: str, folder: Path, *, changes: bool) -> Iterator[None]:
    """Note how a command ended that works on a hospital's folder, if nothing that it did is noted.

    One that `changes` nothing is noted if it is an audit, or a key did not open.
    """
    with watched() as events:
        try:
            yield
        except BaseException as error:
            _end(words, folder, events, error, changes=changes)
            raise
        _end(words, folder, events, None, changes=changes)


def _end(words: str, folder: Path, events: list[Event], error: BaseException | None, *, changes: bool) -> None:
    if isinstance(error, typer.Abort):  # a person said no
        return
    is_key = isinstance(error, KeyMaterialError)
    if error is None or isinstance(error, typer.Exit):
        is_told = any(each.kind is not Kind.KEY_OPENED for each in events)
    else:
        is_told = any(each.outcome not in (DONE, BEGUN, SENT) for each in events)
    if not is_told and (changes or is_key or words in KINDS):
        kind = Kind.KEY_REFUSED if is_key else KINDS.get(words, Kind.COMMAND)
        _note(folder, Event(kind, words, outcome=_outcome(error)))


def _outcome(error: BaseException | None) -> str:
    """How a command ended, by a name that quotes nothing; of an exit status by the family that it stands for."""
    if isinstance(error, typer.Exit) and (status := error.exit_code):
        families = {family.exit_code: family.code for family in HMChainError.__subclasses__()}
        return families.get(status, "hmchain")
    if isinstance(error, typer.Exit) and acting.prepare():
        return PREPARED
    if error is None or isinstance(error, typer.Exit):
        return DONE
    if isinstance(error, HMChainError):
        return error.code
    return "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__


def _note(folder: Path, event: Event) -> None:
    if (found := _hospital(folder, event.what)) is not None:
        note(found, event)


def _hospital(folder: Path, words: str) -> HospitalFolder | None:
    """The hospital in a folder, if there is one: nothing is made where nothing is.

    An auditor looks at a copy, and leaves it as it was: only where a node runs is it a hospital's own.
    """
    node = NodeFolder(folder)
    try:
        if words in AUDITORS and node.runner() is None:
            return None
        return hospital_of(node) if node.toml.exists() else locate(folder)
    except (HMChainError, OSError):
        return None
