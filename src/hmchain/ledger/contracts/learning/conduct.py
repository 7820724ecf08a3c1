"""Conduct in learning: what each participant did in a study's rounds, and the elections that it counts in.

What is earned in a study counts in that study alone. A seed withheld and a fraud proven are remembered against an
organisation in every study, for as long as it takes them to fade.
"""

from __future__ import annotations

from hmchain.ledger import reputation
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.election import Candidate
from hmchain.ledger.reputation import Breaches, Conduct, Outcome
from hmchain.ledger.state import State, Table

_CONDUCT = Table("conduct", Conduct)
_BREACHES = Table("breaches", Breaches)


def of(state: State, study: str, organisation: str) -> Conduct:
    """An organisation's conduct in a study; that of a newcomer if it did nothing yet."""
    return _CONDUCT.get(state, study, organisation) or Conduct()


def learning_score(state: State, study: str, organisation: str, now_ms: int) -> int:
    """An organisation's learning score in a study at a time; without a study what it would begin the next one with."""
    breaches = _BREACHES.get(state, organisation) or Breaches()
    return reputation.learning_score(of(state, study, organisation), breaches, now_ms)


def candidates(context: Context, study: Study) -> tuple[Candidate, ...]:
    """Those of a study's participants that may ever be its master, with their scores as they are now.

    Breaches burden both scores here, since the lesser of them decides: else they would count for nothing where the
    consensus score is the lesser one.
    """
    state, now_ms = context.state, context.time_ms
    found = []
    for organisation in study.spec.participants:
        if standings.may_stand(state, organisation):
            breaches = _BREACHES.get(state, organisation) or Breaches()
            consensus = reputation.burdened(standings.standing(state, organisation).consensus, breaches, now_ms)
            learning = learning_score(state, study.spec.name, organisation, now_ms)
            found.append(Candidate(organisation, consensus, learning))
    return tuple(found)


def record(context: Context, study: str, organisation: str, outcome: Outcome) -> None:
    """Count the outcome of a learning round."""
    state, now_ms = context.state, context.time_ms
    renewed = reputation.record_learning(of(state, study, organisation), outcome, now_ms)
    _CONDUCT.put(state, renewed, study, organisation)
    before = _BREACHES.get(state, organisation) or Breaches()
    after = reputation.record_breach(before, outcome, now_ms)
    if after != before:
        _BREACHES.put(state, after, organisation)


def bar(context: Context, study: str, organisation: str) -> None:
    """Proven aggregation fraud: barred from mastership for good."""
    record(context, study, organisation, Outcome.FRAUD)
    standings.bar(context, organisation)
