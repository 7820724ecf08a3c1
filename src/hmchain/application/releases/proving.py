"""Proofs of releases: the transaction by which the last hospital said yes, and what its receipt says has left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node import reading
from hmchain.errors import AuditError, StudyError
from hmchain.ledger import events
from hmchain.ledger.blocks import OK, Event
from hmchain.ledger.readers import proof_files, succession
from hmchain.ledger.readers.ledger import LedgerReader, open_ledger
from hmchain.ledger.readers.proof_files import ProofFile
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.ledger.sharing_events import Released


class NotReleasedError(StudyError):
    """What is asked for has not been released: it stays inside."""

    code = "not_released"


class ReleaseProofError(AuditError):
    """A proof is of something else than a release, or of the release of something else."""

    code = "release_proof"


@dataclass(frozen=True)
class ProvenRelease:
    """What a proof says has left, by the block in which the last hospital said yes."""

    release: str
    study: str
    artefact: bytes
    audience: str
    regions: tuple[str, ...]
    height: int
    time_ms: int
    genesis: bytes
    """Of the network that the proof is of: an anchor says whether it is the one that is meant."""


def require_released(found: ReleaseView) -> None:
    """Raise `NotReleasedError` for what is inside."""
    if not found.is_released:
        waits = f", and waits for {', '.join(found.waits_for)}" if found.is_asked else ""
        what = f"release {found.release} is {found.status}{waits}: {found.what} stays inside"
        raise NotReleasedError(what, f"`hmchain release show {found.release}` says more")


def prove(directory: Path, ledger: LedgerReader, found: ReleaseView) -> ProofFile:
    """The proof of a release on the ledger in a directory, or on that of a chain before which lies beside it.

    It has what it is checked by, and nothing else.

    Raises `NotReleasedError`, `PartialLogError`, and as `reading.prove`.
    """
    require_released(found)
    place = succession.ledger_of(directory, ledger.genesis, found.height)
    if place == directory:
        return proof_files.lean(_prove(directory, ledger, found))
    with open_ledger(place) as before:
        return proof_files.lean(_prove(place, before, found))


def _prove(directory: Path, ledger: LedgerReader, found: ReleaseView) -> ProofFile:
    block = ledger.blocks(found.height, 1)[0]
    for line in block.transactions:
        if line.code == OK:
            receipt = ledger.transaction(line.digest.hex()).receipt
            if any(each.release == found.release for each in _released(receipt.events)):
                return reading.prove(directory, line.digest.hex())
    raise ReleaseProofError(f"block {found.height} does not release {found.release}", "`hmchain audit verify`")


def proven(proof: ProofFile, what: str) -> ProvenRelease:
    """What a proof that was verified says has left. Raises `ReleaseProofError` for one of something else."""
    transaction, receipt = proof_files.proven(proof), proof.proof.receipt
    found = _released(receipt.events) if receipt.code == OK else []
    if len(found) != 1:
        raise ReleaseProofError(f"{what} carries a proof of no release", "ask whoever gave it for the released file")
    said = found[0]
    return ProvenRelease(
        said.release, said.study, said.artefact, said.audience, said.regions,
        transaction.height, transaction.time_ms, proof.genesis.digest,
    )  # fmt: skip


def _released(found: tuple[Event, ...]) -> list[Released]:
    return [each for each in events.decode_all(found) if isinstance(each, Released)]
