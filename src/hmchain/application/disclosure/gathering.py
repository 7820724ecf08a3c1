"""Gather the evidence on one artefact at one hospital, from its own records, for those who decide on its release."""

from __future__ import annotations

import time
from importlib.metadata import version as installed

from hmchain.application.disclosure import evidence
from hmchain.application.disclosure.evidence import Evidence, Kind
from hmchain.application.disclosure.lineage import lineage
from hmchain.application.site.hospital import HospitalFolder
from hmchain.clock import now_ms
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.plain import Progress


def gather(
    place: HospitalFolder,
    ledger: LedgerReader,
    study: str,
    artefact: bytes,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Compute what this hospital can say of a study's model, or of a count, and leave it in the study's folder.

    `artefact` is the digest by which a release names it. `progress` is told of pieces of work.
    """
    started = time.perf_counter()
    state = ledger.verified.state
    entry = studies.require_study(state, study)
    found = Evidence(
        kind=Kind.COUNT if entry.spec.is_count else Kind.MODEL,
        study=study,
        artefact=artefact.hex(),
        chain_id=ledger.genesis.chain_id,
        organisation=place.organisation,
        height=state.height,
        computed_ms=now_ms(),
        seconds=round(time.perf_counter() - started, 1),
        software=f"hmchain {installed('hmchain')}",
        nonce=evidence.new_nonce(),
        lineage=lineage(state, entry, place.organisation),
    )
    evidence.save(place.study(study).evidence, found)
    return found
