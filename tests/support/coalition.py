"""What some hospitals see when they pool all they know, as equations for `sum_oracle`.

Every masked update is an equation: the update, as often as its weight says, plus its masks. Whoever belongs to the
coalition knows its own update and masks; everybody knows each seed that was revealed, on whatever ledger.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from hmchain.ledger.arithmetic import adds_pair_mask
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.participation import Reveal
from hmchain.ledger.state import State
from support.sum_oracle import exposed


@dataclass
class Eavesdropper:
    """Everything that is public, of all ledgers that were shown."""

    updates: dict[Hashable, dict[Hashable, int]] = field(default_factory=dict)
    """By object: the equation of a masked update."""
    revealed: set[Hashable] = field(default_factory=set)
    """Masks whose seed is known to everybody."""

    def look(self, state: State) -> None:
        """Take in all updates and seeds of a ledger."""
        for study in studies.studies(state):
            for entry in rounds.rounds(state, study.spec.name):
                for attempt in range(entry.attempt + 1):
                    self._look_at(state, study, replace(entry, attempt=attempt))

    def overhear(self, study: studies.Study, entry: rounds.Round, organisation: str, reveal: Reveal) -> None:
        """Take in a reveal that reached no block."""
        self._reveal(study, entry, organisation, reveal.self_seed, [pair.order for pair in reveal.lost])

    def exposed_to(self, coalition: Iterable[str]) -> set[str]:
        """Hospitals of which the coalition can compute something that is about them alone."""
        known = set(coalition)
        equations = [
            {name: value for name, value in row.items() if not self._is_known(name, known)}
            for row in self.updates.values()
        ]
        masks = {name for row in equations for name in row if name[0] != "update"}  # type: ignore[index]
        owner = {name: name[2] for row in equations for name in row if name[0] == "update"}  # type: ignore[index]
        return exposed(equations, masks, owner)

    def _is_known(self, name: Hashable, coalition: set[str]) -> bool:
        kind, _, *owners = name  # type: ignore[misc]
        return name in self.revealed or bool(coalition & set(owners[:1] if kind == "update" else owners))

    def _look_at(self, state: State, study: studies.Study, entry: rounds.Round) -> None:
        names = study.spec.participants
        for update in rounds.contributions(state, entry):
            own = update.organisation
            (summand,) = rounds.summands(study, entry, (own,))
            row = {("update", rounds.sum_key(study, entry), own, summand.dataset, summand.version): summand.weight}
            row[_mask(entry, own)] = 1
            for other in names:
                if other != own:
                    sign = 1 if adds_pair_mask(study.order(own), study.order(other)) else -1
                    row[_mask(entry, *sorted((own, other)))] = sign
            self.updates[update.object] = row
            if update.self_seed:
                self._reveal(study, entry, own, update.self_seed, [pair.order for pair in update.lost])

    def _reveal(
        self, study: studies.Study, entry: rounds.Round, own: str, self_seed: bytes, lost: Iterable[int]
    ) -> None:
        assert self_seed
        self.revealed.add(_mask(entry, own))
        for order in lost:
            self.revealed.add(_mask(entry, *sorted((own, study.spec.participants[order]))))


def _mask(entry: rounds.Round, *owners: str) -> Hashable:
    return ("mask", (entry.study, entry.number, entry.attempt, entry.base_root), *owners)
