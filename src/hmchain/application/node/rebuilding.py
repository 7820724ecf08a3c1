"""States of an embedded ledger made anew from its blocks, where they are not what was signed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hmchain import files, sqlite
from hmchain.errors import InputError, LedgerError
from hmchain.ledger.engines.block_store import hold
from hmchain.ledger.readers import replay
from hmchain.ledger.readers.states import STATE, no_state, opened, state_files
from hmchain.plain import Progress


class NodeStateError(InputError):
    """A node makes its own state anew."""

    code = "node_state"


@dataclass(frozen=True)
class RebuiltState:
    """A state that was made anew."""

    state: Path
    damage: str
    kept: Path
    """Where the damaged one is."""


def rebuild(directory: Path, progress: Progress | None = None) -> list[RebuiltState]:
    """Put damaged states in a ledger's directory aside and execute its blocks again; the blocks are audited.

    Raises `AuditError` if the blocks do not hold, changing nothing, `NoStateError` if there are no states, and
    `SecondWriterError` if a process writes there.
    """
    if (directory / STATE).exists():
        raise NodeStateError(f"{directory} is a node's", "`hmchain node start` puts a damaged state aside by itself")
    with hold(directory):
        if not (states := state_files(directory)):
            raise no_state(directory)
        damaged = [(path, damage) for path in states if (damage := _damage(path, directory))]
        return _replaced(directory, damaged, progress) if damaged else []


def _damage(path: Path, directory: Path) -> str:
    try:
        with opened(path, directory):
            return ""
    except LedgerError as error:
        return error.what


def _replaced(directory: Path, damaged: Iterable[tuple[Path, str]], progress: Progress | None) -> list[RebuiltState]:
    with tempfile.TemporaryDirectory(prefix="hmchain-rebuild-") as scratch:
        fresh = Path(scratch) / STATE
        replay.replay(directory, fresh, progress=progress)
        found = []
        for path, damage in damaged:
            kept = files.free_name(path.with_suffix(".damaged"))
            path.rename(kept)
            sqlite.remove_logs(path)
            with files.replacing(path, durable=True) as partial:
                shutil.copyfile(fresh, partial)
            found.append(RebuiltState(path, damage, kept))
        return found
