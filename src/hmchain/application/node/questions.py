"""The questions that are asked most, each in one call: open the ledger in a folder, verify it, ask, and close it.

A folder is a run's, a node's, or a ledger's own; a file that `hmchain node export-ledger` wrote is as good. A node that
runs is asked for its signed headers; else those count that are kept beside the log. All of them are public names of
`hmchain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import overload

from hmchain.application.node import reading
from hmchain.application.node.ledger_file import ledger_at
from hmchain.ledger.readers import audit
from hmchain.ledger.readers.datasets import DatasetView
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
from hmchain.ledger.readers.members import ValidatorStatus
from hmchain.ledger.readers.replay import AuditReport
from hmchain.ledger.readers.study_status import StudyStatus
from hmchain.plain import Progress
from hmchain.rows import Rows


@contextmanager
def open_ledger(folder: Path | str) -> Iterator[LedgerReader]:
    """Read the ledger in `folder`, which another process may be writing.

    Raises `LedgerError` for what cannot be opened, read or believed.
    """
    with ledger_at(Path(folder)) as directory, reading.open_ledger(directory) as ledger:
        yield ledger


def verify(folder: Path | str, anchor: bytes | None = None, *, progress: Progress | None = None) -> AuditReport:
    """Execute the ledger in `folder` anew, and check every signature, block and state in it.

    `anchor` is the genesis digest (32 bytes) that one noted; without it only the ledger's own genesis is what all else
    is held against. Raises `AuditError` for the first thing that does not hold.
    """
    with ledger_at(Path(folder)) as directory:
        return audit.verify(directory, anchor, progress=progress)


def studies(folder: Path | str) -> Rows[StudyStatus]:
    """All studies of a ledger, as they stand now. Raises what `open_ledger` raises."""
    with open_ledger(folder) as ledger:
        return Rows(ledger.studies())


def datasets(folder: Path | str) -> Rows[DatasetView]:
    """All datasets of a ledger, with their versions. Raises what `open_ledger` raises."""
    with open_ledger(folder) as ledger:
        return Rows(ledger.datasets())


def members(folder: Path | str) -> Rows[ValidatorStatus]:
    """Members and validators of a ledger. Raises what `open_ledger` raises."""
    with open_ledger(folder) as ledger:
        return Rows(ledger.members())


@overload
def trace(folder: Path | str, *, study: str | None = None) -> StudyTrace: ...


@overload
def trace(folder: Path | str, *, dataset: str) -> DatasetTrace: ...


def trace(folder: Path | str, *, study: str | None = None, dataset: str | None = None) -> StudyTrace | DatasetTrace:
    """The data, approvals, code, updates and masters that made a study's model, or all that touched a dataset.

    `dataset` is written as ORGANISATION/NAME; without either the only study is meant. The log is compared with what was
    signed. Raises `BadTraceError`, `NothingToTraceError`, and what `open_ledger` raises.
    """
    with open_ledger(folder) as ledger:
        return ledger.trace(study=study, dataset=dataset)
