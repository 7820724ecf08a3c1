"""Attesting: fetch what others committed, check it against its digest, keep it, and say so."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import RoundDesk
from hmchain.ledger.contracts.learning import rounds
from hmchain.ledger.contracts.learning.participation import Attest
from hmchain.ledger.contracts.learning.rounds import Contribution, Phase


def attest(desk: RoundDesk) -> Iterator[Attest]:
    """Vouch for the updates that one should check, and found sound."""
    sound = [
        update.organisation
        for update in rounds.contributions(desk.state, desk.entry)
        if update.organisation != desk.organisation
        and desk.organisation not in update.attested
        and _should_attest(desk, update)
        and desk.vector(update) is not None
    ]
    if sound:
        desk.attempts.vouched(desk.entry, desk.state.height)
        yield Attest(desk.name, *desk.place, tuple(sound))


def _should_attest(desk: RoundDesk, update: Contribution) -> bool:
    """Whether one is among the c + 1 after its maker, which check it first, or they were not enough."""
    study, needed = desk.study, desk.study.spec.witnesses
    if (desk.order - study.order(update.organisation)) % len(study.spec.uses) <= needed:
        return True
    return len(update.attested) < needed and desk.entry.phase is Phase.ATTEST and desk.is_turn()
