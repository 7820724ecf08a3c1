"""Who used a hospital's dataset versions, as the ledger beside its records says: a node's, or that of a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node.reading import open_ledger
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning.approvals import APPROVED, REVOKED


@dataclass(frozen=True)
class VersionUse:
    """A study that was allowed to use a version of a dataset."""

    study: str
    status: str
    dataset: str
    version: int
    decision: str
    """`approved` or `revoked`."""
    model: bytes | None
    """Root of the model that it made, if it made one."""


@dataclass(frozen=True)
class VersionUses:
    """All that the ledger says of some versions; nothing if there is none beside the records."""

    uses: tuple[VersionUse, ...]
    unknown: str = ""
    """The reason why the ledger could not be asked; empty if it was, or if there is none."""


def uses_of(place: HospitalFolder, versions: Collection[tuple[str, int]]) -> VersionUses:
    """The studies that were allowed to use any of these datasets and versions."""
    directory = ledger_beside(place)
    if directory is None or not versions:
        return VersionUses(())
    try:
        with open_ledger(directory) as ledger:
            models = {model.study: model.root for model in ledger.models()}
            found = ledger.requests(place.organisation)
    except HMChainError as error:
        return VersionUses((), error.what)
    return VersionUses(
        tuple(
            VersionUse(each.study, each.status, each.dataset, each.version, each.decision, models.get(each.study))
            for each in found
            if (each.dataset, each.version) in versions and each.decision in (APPROVED, REVOKED)
        )
    )


def ledger_beside(place: HospitalFolder) -> Path | None:
    """The directory of the ledger that a hospital's records are published on; None for a hospital by itself."""
    if place.node is not None:
        return place.node.ledger if place.node.network.exists() else None
    return place.run.ledger if place.run else None
