"""Find a run: the directory that the demo leaves, or a bare copy of its ledger."""

from __future__ import annotations

import os
from pathlib import Path

from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import LATEST, RunFolder, ledger_in
from hmchain.errors import InputError
from hmchain.ledger import genesis

_MAKE_ONE = "make one with `hmchain demo`, or name another with --dir or HMCHAIN_RUN"


class NoRunError(InputError):
    """There is no run where one was looked for."""

    code = "no_run"


class UnfinishedRunError(InputError):
    """The run has not come to what is asked for."""

    code = "unfinished_run"


class Run(RunFolder):
    """The directory of a run, or of a ledger alone."""

    @property
    def ledger(self) -> Path:
        """The directory of its ledger."""
        return ledger_in(self.path)

    @property
    def is_node(self) -> bool:
        """True of a node's folder."""
        return NodeFolder(self.path).toml.is_file()

    def require(self, file: Path) -> Path:
        """`file`, which a finished run has. Raises `UnfinishedRunError` if this one has not."""
        if not file.is_file():
            raise UnfinishedRunError(
                f"there is no {file.name} in {self.path}", "finish the run: the same `hmchain demo` command resumes it"
            )
        return file


def find(*given: Path | None) -> Run:
    """The run or node in the first directory that was given, else of HMCHAIN_NODE, else the latest run.

    Raises `NoRunError` if there is none.
    """
    path = next((path for path in (*given, _own_node()) if path is not None), LATEST)
    if not path.is_dir():
        raise NoRunError(f"there is no run at {path}", _MAKE_ONE)
    run = Run(path)
    if not (run.ledger / genesis.FILE).is_file():
        raise NoRunError(f"{path} holds no ledger", _MAKE_ONE)
    return run


def _own_node() -> Path | None:
    """The node that whoever sits here works with, if the environment names one."""
    named = os.environ.get("HMCHAIN_NODE")
    return Path(named) if named else None
