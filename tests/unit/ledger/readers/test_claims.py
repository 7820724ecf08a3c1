"""Claims of a file, held against a ledger: the first that is not the ledger's is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hmchain.ledger.contracts.learning.models import model
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.claims import DecisionClaim, LedgerClaims, OriginClaim, first_unfounded
from hmchain.ledger.state import State
from support.study_bed import STUDY, Bed


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    made = Bed.found(tmp_path_factory.mktemp("claims"))
    made.prepare(rounds_=1)
    made.approve()
    made.run()
    yield made
    made.close()


def true_claims(bed: Bed) -> LedgerClaims:
    """All that a summary may say, and true."""
    made, founding = model(bed.state, STUDY), genesis(bed)
    assert made is not None
    root = made.root.hex()
    decision = DecisionClaim(bed.names[0], STUDY, "approved", "")
    origin = OriginClaim(STUDY, bytes(32).hex(), root)
    return LedgerClaims(founding.digest.hex(), founding.chain_id, root, origin, (decision,))


def genesis(bed: Bed) -> Genesis:
    return bed.consortium.ledger.genesis


def test_claims_that_are_the_ledger_s_hold(bed: Bed) -> None:
    claims = true_claims(bed)
    assert first_unfounded(claims, genesis(bed), bed.state) is None
    assert first_unfounded(replace(claims, origin=None, decisions=()), genesis(bed), bed.state) is None


def test_the_first_claim_that_is_not_is_named(bed: Bed) -> None:
    claims, state = true_claims(bed), bed.state
    assert claims.origin is not None
    other = "00" * 32
    assert named(replace(claims, genesis=other), bed, state) == "genesis"
    assert named(replace(claims, chain_id="other"), bed, state) == "chain id"
    assert named(replace(claims, model=other), bed, state) == "model"
    assert named(replace(claims, origin=replace(claims.origin, study="other")), bed, state) == "lineage"
    assert named(replace(claims, origin=replace(claims.origin, code="11" * 32)), bed, state) == "lineage"
    for changed in ({"decision": "refused"}, {"reason": "ethics"}, {"hospital": "nobody"}, {"study": "other"}):
        claim = replace(claims.decisions[0], **changed)
        found = named(replace(claims, decisions=(claims.decisions[0], claim)), bed, state)
        assert found == f"approval of {claim.study} by {claim.hospital}"


def named(claims: LedgerClaims, bed: Bed, state: State) -> str | None:
    return first_unfounded(claims, genesis(bed), state)
