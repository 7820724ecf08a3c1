"""What one hospital knows of a study on a real network: who takes part, and its own scores."""

from __future__ import annotations

from hmchain.interfaces.report.parts.base import Part


class Participant(Part, frozen=True, kw_only=True):
    """One hospital of a study, as all members know it."""

    hospital: str
    title: str
    dataset: str
    version: int
    records: str
    """As it was published: rounded, in words."""
    approval: str
    """`approved`, `refused`, `revoked` or `undecided`."""


class OwnRound(Part, frozen=True, kw_only=True):
    """One hospital's own measure of the model that a round made."""

    number: int
    auc: float | None
    acc: float | None
    best_before: float | None
    """The best AUC of the models accepted before, which its vote compared with."""
    vote: str
    """`accepted` or `rejected`: this hospital's."""
    outcome: str
    """Of all votes together; empty while the round is open."""


class OwnScores(Part, frozen=True, kw_only=True):
    """One hospital's own scores by round; no other hospital sees them."""

    hospital: str
    measure: str = "AUC"
    """`AUC`, or `score` of a trainer that a scientist brought."""
    images: int
    """Of validation, that they are measured on."""
    tolerance: float
    """So much lower than the best before may an AUC be."""
    rounds: tuple[OwnRound, ...]

    @property
    def model(self) -> OwnRound | None:
        """The newest round whose model was accepted: that of the study's model."""
        return next((each for each in reversed(self.rounds) if each.outcome == "accepted"), None)
