"""The patients who wanted no more, and the hospitals that let the model leave, or not."""

from __future__ import annotations

from hmchain.interfaces.report.parts.base import Estimate, Part


class Withdrawal(Part, frozen=True, kw_only=True):
    """A patient's consent that was withdrawn while a study ran."""

    hospital: str
    images: int
    """Of the patient."""
    last_round: int
    """The last one that used any of them."""
    rounds: int
    """Of the study."""


class Word(Part, frozen=True, kw_only=True):
    """One hospital's word on a release, and what it measured on its own images before it said so."""

    hospital: str
    decision: str
    """`granted`, `refused` or `waiting`."""
    evidence: str
    """Digest of its evidence, as the ledger has it."""
    members: int = 0
    """Its images that the model was trained on."""
    others: int = 0
    """Images that it was not trained on."""
    auc: Estimate | None = None
    """Of the attack: 0.5 is chance, 1 tells every training image from others."""
    rate: Estimate | None = None
    """Training images that the attack names where it takes 1 % of the others for such; chance is 0.01."""
    seen: tuple[str, ...] = ()
    """Parts of its evidence in which something was seen, which its steward weighed."""


class Release(Part, frozen=True, kw_only=True):
    """The road of a model out of the hospitals that made it."""

    release: str
    asked_by: str
    audience: str
    refused_by: str
    """The hospital that said no at first; empty for none."""
    reason: str
    """Its reason, as a code."""
    attack: str
    """By which membership was inferred."""
    words: tuple[Word, ...]
    """In order of hospitals."""
    height: int
    """Of the block since which it may leave."""
    file: str
    """The released file, within the run's folder."""

    @property
    def seen(self) -> tuple[str, ...]:
        """What evidence saw, with the hospitals whose evidence that was, in order."""
        parts = sorted({part for word in self.words for part in word.seen})
        return tuple(
            f"{part} (at {', '.join(word.hospital for word in self.words if part in word.seen)})" for part in parts
        )
