"""Who allowed a study what, on whose word and until when.

From protocol 3 on that is what each hospital said to the study's request; before, what its steward said to the study.
"""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.requests import Decided, Handling
from hmchain.ledger.contracts.learning import approvals, permitted, studies
from hmchain.ledger.contracts.learning.approvals import APPROVED, REFUSED, REVOKED
from hmchain.ledger.contracts.learning.studies import DatasetUse, Study
from hmchain.ledger.state import State

UNDECIDED = "undecided"
"""The decision of a hospital that has said nothing yet."""

_SAID: dict[Decided, str] = {
    Decided.WAITING: UNDECIDED,
    Decided.APPROVED: APPROVED,
    Decided.REJECTED: REFUSED,
    Decided.DENIED: REFUSED,
    Decided.REVOKED: REVOKED,
}


@dataclass(frozen=True, slots=True)
class Permission:
    """One participant's word on a study."""

    organisation: str
    dataset: str
    version: int
    decision: str
    """`approved`, `refused`, `revoked` or `undecided`."""
    reason: str
    """Why it was refused or revoked, as a code; those of the policy where it denied."""
    until_ms: int
    """Until when it is allowed; 0 if it was not."""
    request: str = ""
    """The request that was decided on; empty where it was the study itself."""
    content: bytes = b""
    """Digest of what was decided on: of the request's content, or of the study's specification."""
    persons: tuple[str, ...] = ()
    """Who decided, as `east/steward`; empty where a policy did."""

    @property
    def is_given(self) -> bool:
        """Whether it was said that the study may use the data, and not taken back."""
        return self.decision == APPROVED


def permissions(state: State, study: Study) -> tuple[Permission, ...]:
    """Every participant's word on a study, in order of name."""
    return tuple(permission(state, study, use.organisation) for use in study.spec.uses)


def words_on(state: State, name: str) -> tuple[Permission, ...]:
    """Every hospital's word on a study of this name, or on the request for one, in order of organisation."""
    study, entry = studies.study(state, name), requests.request(state, name)
    if study is not None:
        return permissions(state, study)
    content = requests.content(state, name, entry.version) if entry is not None else None
    asked = content.datasets if content is not None else ()
    return tuple(said_to(state, name, DatasetUse(use.organisation, use.dataset, use.version)) for use in asked)


def permission(state: State, study: Study, organisation: str) -> Permission:
    """One participant's word on a study."""
    use = study.spec.use(organisation)
    under = permitted.under(state, study.progress.specification)
    return _of_study(state, study, use) if under is None else said_to(state, under.request, use)


def _of_study(state: State, study: Study, use: DatasetUse) -> Permission:
    said = approvals.approval(state, study.progress.specification, use.organisation)
    if said is None:
        return Permission(use.organisation, use.dataset, use.version, UNDECIDED, "", 0)
    return Permission(
        use.organisation, use.dataset, use.version, said.status, said.reason, said.expires_ms,
        content=said.specification, persons=(f"{use.organisation}/steward",),
    )  # fmt: skip


def said_to(state: State, request: str, use: DatasetUse) -> Permission:
    """A hospital's word on a request, as it is about one of its dataset versions."""
    entry = requests.request(state, request)
    word = None if entry is None else requests.handling(state, entry, use.organisation, use.dataset)
    if word is None:
        return Permission(use.organisation, use.dataset, use.version, UNDECIDED, "", 0, request)
    return Permission(
        use.organisation, use.dataset, use.version, _SAID[word.status], _reason(word), word.until_ms, request,
        word.content, _persons(word),
    )  # fmt: skip


def _reason(word: Handling) -> str:
    return ", ".join(word.reasons) if word.status is Decided.DENIED else word.reason


def _persons(word: Handling) -> tuple[str, ...]:
    """Whose yes it took, or who said otherwise last."""
    said = word.approvals if word.status is Decided.APPROVED else word.decided_by
    return tuple(str(person) for person in said)
