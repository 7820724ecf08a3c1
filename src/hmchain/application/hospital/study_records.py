"""The records of a hospital that a study may have: what it is for and who asked, held against what patients said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hmchain.application.consent.usable import Usable, Use, UseKind
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.state import State
from hmchain.records.consents import purposes

if TYPE_CHECKING:
    from hmchain.application.hospital.hospital import Hospital


def use_of(state: State, spec: StudySpec, kind: UseKind | None = None) -> Use:
    """The use that a study makes of records: for what its request asks, on behalf of the applicant's organisation.

    `kind` is another than counting or training, as measuring what came of it.
    """
    kind = kind or (UseKind.COUNT if spec.is_count else UseKind.TRAIN)
    found = permitted.under(state, spec.digest)
    request = requests.request(state, found.request) if found else None
    content = requests.content(state, request.name, request.version) if request else None
    if request is not None and content is not None:
        return Use(kind, purposes.of_request(content.purposes), (request.applicant.organisation,))
    study = studies.study(state, spec.name)
    return Use(kind, purposes.of_request([spec.purpose]), (study.progress.proposer,) if study else ())


class StudyRecords:
    """One hospital's records in one study."""

    def __init__(self, hospital: Hospital, spec: StudySpec) -> None:
        self._hospital, self._spec = hospital, spec

    def usable(self) -> Usable:
        """Which records it may have now. Raises as `Hospital.usable`."""
        use = self._spec.use(self._hospital.organisation)
        return self._hospital.usable(use.dataset, use.version, use_of(self._hospital.node.state, self._spec))

    def note(self, round_: int, found: Usable) -> None:
        """Write down whose records a round uses."""
        self._hospital.at_work.note(self._spec.name, round_, found, self._hospital.node.now_ms())
