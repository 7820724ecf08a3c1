"""The rounds of a study one by one: who took part, who led and why, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.ledger import election
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.state import State


@dataclass(frozen=True)
class RoundView:
    """One round as it stands."""

    number: int
    attempt: int
    master: str
    """Who leads, or led, at the end."""
    drawn: str
    """Who was drawn at its opening: another one than the master where that one failed."""
    took_part: tuple[str, ...]
    """Whose updates are summed; none before they are fixed."""
    outcome: str
    """`accepted`, `rejected`, or empty while nobody knows."""
    height: int
    """The block in which it opened."""


@dataclass(frozen=True)
class Standing:
    """A hospital in the draw for a round's master."""

    organisation: str
    consensus: int
    learning: int
    """Its scores when the draw was fixed, of 10 000."""
    weight: int
    """The square of the lower score, capped; 0 of who rests."""
    chance: float
    """Of being drawn first."""
    rests: bool
    """Whether it was drawn so lately that it stands behind the others."""


@dataclass(frozen=True)
class ElectionView:
    """The draw of a round's master: everybody can draw it again."""

    number: int
    ranking: tuple[str, ...]
    """As it was drawn: the master, then the backups in order."""
    master: str
    replaced: tuple[str, ...]
    """Who was before the master in the ranking, and failed or could not lead."""
    seed: bytes
    standings: tuple[Standing, ...]
    """Empty for the first round, whose scores no record keeps."""
    agrees: bool | None
    """Whether drawing again gives the same ranking; None where it cannot be drawn again from the state."""


def study_rounds(state: State, name: str) -> tuple[RoundView, ...]:
    """All rounds of a study in which a model is made, in order."""
    return tuple(
        RoundView(
            each.number,
            each.attempt,
            each.master if each.ranking else "",
            "".join(each.ranking[:1]),
            each.frozen,
            each.outcome.value,
            each.opened_height,
        )
        for each in rounds.rounds(state, name)
        if each.number
    )


def drawn_master(state: State, name: str, number: int) -> ElectionView | None:
    """How a round got its master; None where there is no such round, or nobody stood."""
    entry = rounds.round_(state, name, number)
    if entry is None or not entry.ranking:
        return None
    before = rounds.round_(state, name, number - 1) if number else None
    candidates = before.candidates if before is not None else ()
    study = studies.study(state, name)
    faults = faults_tolerated(len(study.spec.participants)) if study is not None else 0
    agrees = None
    if candidates:
        agrees = election.rank(entry.seed, candidates, entry.last_masters, faults) == entry.ranking
    return ElectionView(
        number,
        entry.ranking,
        entry.master,
        entry.ranking[: entry.rank],
        entry.seed,
        _standings(entry, candidates, faults),
        agrees,
    )


def _standings(entry: Round, candidates: Sequence[election.Candidate], faults: int) -> tuple[Standing, ...]:
    stand = election.rested_of(candidates, entry.last_masters, faults)
    weights = dict(zip((each.id for each in stand), election.weights(stand), strict=True))
    total = sum(weights.values()) or 1
    return tuple(
        Standing(
            each.id,
            each.consensus,
            each.learning,
            weights.get(each.id, 0),
            weights.get(each.id, 0) / total,
            each.id not in weights,
        )
        for each in sorted(candidates, key=lambda each: each.id)
    )
