"""The questions that are asked most, each in one call: open the ledger in a directory, verify it, ask, and close it.

Signed headers are those that are kept beside the log; `open_ledger` takes others, and tells
whose signatures its answers rest on.
"""

from __future__ import annotations

from pathlib import Path
from typing import overload

from hmchain.ledger.readers.datasets import DatasetView
from hmchain.ledger.readers.ledger import open_ledger
from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
from hmchain.ledger.readers.members import ValidatorStatus
from hmchain.ledger.readers.study_status import StudyStatus


def studies(directory: Path) -> list[StudyStatus]:
    """All studies of a ledger, as they stand now. Raises what `open_ledger` raises."""
    with open_ledger(directory) as ledger:
        return ledger.studies()


def datasets(directory: Path) -> list[DatasetView]:
    """All datasets of a ledger, with their versions. Raises what `open_ledger` raises."""
    with open_ledger(directory) as ledger:
        return ledger.datasets()


def members(directory: Path) -> tuple[ValidatorStatus, ...]:
    """Members and validators of a ledger. Raises what `open_ledger` raises."""
    with open_ledger(directory) as ledger:
        return ledger.members()


@overload
def trace(directory: Path, *, study: str | None = None) -> StudyTrace: ...


@overload
def trace(directory: Path, *, dataset: str) -> DatasetTrace: ...


def trace(directory: Path, *, study: str | None = None, dataset: str | None = None) -> StudyTrace | DatasetTrace:
    """The data, approvals, code, updates and masters that made a study's model, or all that touched a dataset.

    `dataset` is written as ORGANISATION/NAME; without either the only study is meant. The log is compared with what was
    signed. Raises `BadTraceError`, `NothingToTraceError`, and what `open_ledger` raises.
    """
    with open_ledger(directory) as ledger:
        return ledger.trace(study=study, dataset=dataset)
