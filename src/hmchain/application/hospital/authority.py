"""Whether a hospital's data may be used: asked at its own node before anything of it is opened or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hmchain.application.agent.pins import NotApprovedError
from hmchain.ledger.contracts.learning import approvals
from hmchain.ledger.contracts.learning.studies import StudySpec

if TYPE_CHECKING:
    from hmchain.application.hospital.hospital import Hospital

_HINT = "its hospital allows it again, or it takes no further part"


def is_authorised(hospital: Hospital, spec: StudySpec) -> bool:
    """Whether the hospital allows a study what it asks for, as its own node has the ledger now, by its own word."""
    if not hospital.agent.hears_its_own or hospital.agent.allowance(spec).over:
        return False
    return approvals.authorised(hospital.node.state, hospital.organisation, spec.digest, hospital.node.now_ms())


def require_authorised(hospital: Hospital, spec: StudySpec, what: str) -> None:
    """Raise `NotApprovedError` unless it does; `what` is not done then: "the code of study x is not loaded"."""
    if not is_authorised(hospital, spec):
        raise NotApprovedError(f"{what} without a permit or an approval in force", _HINT)
