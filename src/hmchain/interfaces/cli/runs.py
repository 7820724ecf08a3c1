"""Find a run: the directory that the demo leaves, or a bare copy of its ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node.ledger_file import unpacked
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.application.site.run import LATEST, RunFolder, holds_ledger, ledger_in
from hmchain.errors import InputError
from hmchain.interfaces.cli.options import DEFAULT_FOLDER
from hmchain.records.objects import ObjectStore

_NAME_ONE = (
    "name the folder of a node, a run or a ledger with --dir, or the node's in HMCHAIN_NODE; "
    "`hmchain demo` makes a run here"
)
_MORE_THAN_A_LEDGER = "give the folder of the run or node: this needs more than a ledger's file holds"


class NoRunError(InputError):
    """There is no run where one was looked for."""

    code = "no_run"


class UnfinishedRunError(InputError):
    """The run has not come to what is asked for."""

    code = "unfinished_run"


@dataclass(frozen=True)
class Run(RunFolder):
    """The directory of a run, or of a ledger alone."""

    file: Path | None = None
    """The ledger's file that it was unpacked from."""

    @property
    def ledger(self) -> Path:
        """The directory of its ledger."""
        return ledger_in(self.path)

    @property
    def is_node(self) -> bool:
        """True of a node's folder."""
        return NodeFolder(self.path).toml.is_file()

    @property
    def is_run(self) -> bool:
        """True of the folder of a run, with the hospitals that took part in it."""
        return self.hospitals.is_dir() and not self.is_node

    def require(self, file: Path) -> Path:
        """`file`, which a finished run has. Raises `UnfinishedRunError` if this one has not."""
        if not file.is_file():
            raise UnfinishedRunError(
                f"there is no {file.name} in {self.path}", "finish the run: the same `hmchain demo` command resumes it"
            )
        return file


def exchanged(place: Run) -> ObjectStore:
    """What hospitals exchange, at a node or in a run; nothing, where there is a ledger alone."""
    if place.is_node:
        return exchanged_objects(NodeFolder(place.path))
    return ObjectStore.directory(place.objects) if place.objects.is_dir() else ObjectStore.memory()


@contextmanager
def opened(*given: Path | None) -> Iterator[Run]:
    """As `find`; a ledger's file is unpacked until the block ends. Raises what `ledger_file.unpacked` raises too."""
    path = _chosen(*given)
    if path.is_file():
        with unpacked(path) as directory:
            yield Run(directory, path)
    else:
        yield find(path)


def find(*given: Path | None) -> Run:
    """The run or node in the first directory that was given, else of HMCHAIN_NODE, else the latest run.

    Raises `NoRunError` if there is none.
    """
    path = _chosen(*given)
    if not path.is_dir():
        if path.is_file():
            raise NoRunError(f"{path} is a file, and a folder is wanted here", _MORE_THAN_A_LEDGER)
        raise NoRunError(f"there is no run at {path}", _NAME_ONE)
    if not holds_ledger(path):
        raise NoRunError(f"{path} holds no ledger", _NAME_ONE)
    return Run(path)


def _chosen(*given: Path | None) -> Path:
    return next((path for path in (*given, _own_node()) if path is not None), LATEST)


def _own_node() -> Path | None:
    """The node that whoever sits here works with: the environment names it, or it is here and no run is."""
    if named := os.environ.get("HMCHAIN_NODE"):
        return Path(named)
    return DEFAULT_FOLDER if NodeFolder(DEFAULT_FOLDER).toml.is_file() and not LATEST.exists() else None
