"""Agreeing: hand each other participant one's half of the pair secret, and open the seed that was bound."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import Desk
from hmchain.application.agent.study_keys import wrap_halves
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.opening import AgreePairs


def agree(desk: Desk) -> Iterator[AgreePairs]:
    """One's halves, once, and not without a permit."""
    agreements = opening.agreements(desk.state, desk.name)
    if not desk.may_agree or any(agreement.organisation == desk.organisation for agreement in agreements):
        return
    drawn = desk.keys.drawn(desk.name, len(desk.study.spec.uses), desk.random)
    joins = opening.joins(desk.state, desk.name)
    wrapped = wrap_halves(desk.node.chain_id, desk.name, desk.order, drawn, joins)
    yield AgreePairs(desk.name, wrapped, drawn.opening_seed)
