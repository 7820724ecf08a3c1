"""The scores of a study by round, as whoever looks may know them: a hospital's own, or what a demo's run measured."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from hmchain import decoding, files
from hmchain.application.models.results import own_scores
from hmchain.application.models.scores import ScoresFileError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.run import RunFolder
from hmchain.ledger.readers.ledger import LedgerReader

Point = tuple[float, float | None]
_CURVE_BYTES_MAX = 8 << 20


@dataclass(frozen=True)
class Curve:
    """A study's scores by round."""

    measure: str
    points: tuple[Point, ...]
    accuracy: tuple[Point, ...]
    whose: str
    """The hospital on whose validation images they were measured; empty of a run's test images."""
    images: int
    """0 where that is not known."""

    @property
    def best(self) -> float | None:
        """The highest score."""
        return max((value for _, value in self.points if value is not None), default=None)

    @property
    def last(self) -> float | None:
        """The newest score that was measured."""
        return next((value for _, value in reversed(self.points) if value is not None), None)


def of_hospital(hospital: HospitalFolder, ledger: LedgerReader, study: str) -> Curve | None:
    """What a hospital measured on its own images, held against the ledger; None where there is nothing to be shown."""
    try:
        found = own_scores(hospital, ledger, study)
    except ScoresFileError:
        return None
    if found is None or not found.rounds:
        return None
    points = tuple((float(each.round), each.auc) for each in found.rounds)
    accuracy = tuple((float(each.round), each.acc) for each in found.rounds)
    return Curve(found.measure, points, accuracy, found.organisation, found.images)


def of_run(run: RunFolder) -> Curve | None:
    """What a run of the demo measured on the test images that no hospital learned from; None where it measured none."""
    try:
        found = decoding.from_json(files.read(run.curve, limit=_CURVE_BYTES_MAX), dict[int, tuple[float, float]])
    except (OSError, files.TooLargeError, msgspec.DecodeError):
        return None
    if not found:
        return None
    points = tuple((float(number), auc) for number, (auc, _) in sorted(found.items()))
    return Curve("AUC", points, tuple((float(number), acc) for number, (_, acc) in sorted(found.items())), "", 0)
