"""Claims that a file makes of a ledger, such as the summary of a run, held against the ledger's state."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.learning import models, studies
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.permissions import words_on
from hmchain.ledger.state import State


@dataclass(frozen=True)
class DecisionClaim:
    """A steward's word on a study, as a file has it."""

    hospital: str
    study: str
    decision: str
    reason: str


@dataclass(frozen=True)
class OriginClaim:
    """The making of a model, as a file has it; digests in hexadecimal, as in all claims."""

    study: str
    code: str
    model: str


@dataclass(frozen=True)
class LedgerClaims:
    """Everything that a file says of a ledger."""

    genesis: str
    chain_id: str
    model: str
    origin: OriginClaim | None
    decisions: tuple[DecisionClaim, ...]


def first_unfounded(claims: LedgerClaims, genesis: Genesis, state: State) -> str | None:
    """The first claim that is not the ledger's, in words; None if all of them are."""
    roots = {model.root.hex() for model in models.models(state)}
    checks = (
        ("genesis", claims.genesis in [past.genesis.hex() for past in genesis.chains]),
        ("chain id", claims.chain_id in [past.chain_id for past in genesis.chains]),
        ("model", claims.model in roots),
        ("lineage", claims.origin is None or _is_origin(claims.origin, state)),
        *((f"approval of {each.study} by {each.hospital}", _is_said(each, state)) for each in claims.decisions),
    )
    return next((what for what, holds in checks if not holds), None)


def _is_origin(claim: OriginClaim, state: State) -> bool:
    study, model = studies.study(state, claim.study), models.model(state, claim.study)
    if study is None or model is None:
        return False
    return (claim.code, claim.model) == (study.spec.code.hex(), model.root.hex())


def _is_said(claim: DecisionClaim, state: State) -> bool:
    said = {word.organisation: (word.decision, word.reason) for word in words_on(state, claim.study)}
    return said.get(claim.hospital) == (claim.decision, claim.reason)
