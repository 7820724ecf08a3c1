"""The number of a count in one call, of a node's hospital or one of a run."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.models import counts, export
from hmchain.application.models.counts import CountResult
from hmchain.application.node import reading
from hmchain.ledger.readers.states import VerifiedState


def count_result(folder: Path, name: str, passphrase: str | None = None) -> tuple[CountResult, VerifiedState]:
    """A count's number at a hospital that took part, and the state that it was held against.

    Raises what `counts.result` and `open_ledger` raise.
    """
    place = export.locate(folder)
    with reading.open_ledger(place.ledger) as ledger:
        return counts.result(place, ledger.verified.state, name, passphrase), ledger.verified


def own_result(folder: Path, name: str, passphrase: str | None = None) -> CountResult | None:
    """The same, or None at a hospital that took no part. Raises as `count_result`."""
    place = export.locate(folder)
    with reading.open_ledger(place.ledger) as ledger:
        state = ledger.verified.state
        if place.hospital.organisation not in counts.require_count(state, name).spec.participants:
            return None
        return counts.result(place, state, name, passphrase)
