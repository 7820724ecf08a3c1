"""The folder of what one study gave at a hospital: its model, its scores, and the evidence on what may leave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyFolder:
    """Names of what a study gave at one hospital, or of a table that it was asked to let leave."""

    path: Path

    @property
    def name(self) -> str:
        """The study's."""
        return self.path.name

    @property
    def model(self) -> Path:
        """The model that it made."""
        return self.path / "model.safetensors"

    @property
    def scores(self) -> Path:
        """The hospital's own scores by round."""
        return self.path / "scores.json"

    @property
    def used(self) -> Path:
        """What it took of the hospital's machine."""
        return self.path / "used.json"

    @property
    def count(self) -> Path:
        """The sum of a count."""
        return self.path / "count.json"

    @property
    def table(self) -> Path:
        """A table of the hospital's own that was asked to leave."""
        return self.path / "table.csv"

    @property
    def evidence(self) -> Path:
        """The evidence on what it made, for who decides on a release."""
        return self.path / "evidence.json"

    @property
    def evidence_page(self) -> Path:
        """The same as a page."""
        return self.path / "evidence.html"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"
