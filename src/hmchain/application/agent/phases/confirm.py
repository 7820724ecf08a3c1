"""Confirming: say which study key one derived, so that nobody enters a study with another than the rest.

A half that does not open, and a share that differs from hospital to hospital, would shut its victim out of every round:
the first only the victim sees, the second nobody. So all say what they derived before anything is masked.
"""

from __future__ import annotations

from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.opening import ConfirmPairs
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.state import State


def confirm(state: State, chain_id: str, organisation: str, keys: StudyKeyStore, study: Study) -> list[ConfirmPairs]:
    """What to say, once: the hash of the study key; nothing where it was said.

    Raises `PairAgreementError` if a half does not open; `deny` is what to say then.
    """
    name = study.spec.name
    if any(said.organisation == organisation for said in opening.confirmations(state, name)):
        return []
    derived = keys.keys(chain_id, name, study.order(organisation), opening.agreements(state, name))
    return [ConfirmPairs(name, key_hash(chain_id, name, SecretKey(derived.study_key)))]


def deny(study: Study) -> list[ConfirmPairs]:
    """Say that a half did not open: the study closes, and nobody is blamed."""
    return [ConfirmPairs(study.spec.name, b"")]


def key_hash(chain_id: str, study: str, key: SecretKey) -> bytes:
    """A hash of the study key that gives nothing of it away, for this study alone."""
    return digest("hmchain study key", chain_id.encode(), study.encode(), key.derive("hmchain study key hash").raw)
