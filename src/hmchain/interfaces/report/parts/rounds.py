"""Rounds, the scores that choose their masters, and what went wrong."""

from __future__ import annotations

from typing import Literal

from hmchain.interfaces.report.parts.base import Part

Outcome = Literal["accepted", "rejected", "void"]
Fault = Literal["fraud", "silent"]


class FailedMaster(Part, frozen=True, kw_only=True):
    """A master that was replaced within its round."""

    hospital: str
    fault: Fault


class Round(Part, frozen=True, kw_only=True):
    """One round: who led it, what became of it, and the test score of the model after it.

    `auc` and `acc` are measured by the demo on the test set, never by the hospitals' votes.
    """

    number: int
    master: str
    """The hospital that finished the round."""
    outcome: Outcome = "accepted"
    failed: tuple[FailedMaster, ...] = ()
    """Masters replaced before `master`, in order."""
    auc: float | None = None
    acc: float | None = None
    accepts: int | None = None
    rejects: int | None = None
    seconds: float | None = None


class ReputationPoint(Part, frozen=True, kw_only=True):
    """Scores after a round (0: before the first), each in order of hospitals."""

    round: int
    consensus: tuple[int, ...]
    learning: tuple[int, ...]
    power: tuple[int, ...]


class Proposer(Part, frozen=True, kw_only=True):
    """One hospital's work as a block proposer."""

    hospital: str
    committed: int
    failed: int = 0


class Incident(Part, frozen=True, kw_only=True):
    """Something dishonest that was noticed, with the evidence for it."""

    title: str
    hospital: str
    sentence: str
    round: int | None = None
    height: int | None = None
    chunk: int | None = None
    """Index of the chunk that proves a wrong aggregate."""
    transaction: str = ""
    evidence_bytes: int | None = None
    score: str = ""
    """Which score paid for it, e.g. "consensus score"."""
    before: int | None = None
    after: int | None = None
    consequence: str = ""
