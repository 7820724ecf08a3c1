"""The part of a hospital that a count asks for: how many people, of records that are those that were published."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from hmchain.application.agent.pins import NotApprovedError, UnpinnedError
from hmchain.application.cohort.counting import count_people
from hmchain.application.hospital.published_data import require_published
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.learning import approvals, counting
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.transactions import Refusal

if TYPE_CHECKING:
    from hmchain.application.hospital.hospital import Hospital


class PeopleCounter:
    """A `Learner` that learns nothing: its only class is the people of whom the query is true."""

    has_read = False
    data = b""

    def __init__(self, hospital: Hospital, spec: StudySpec) -> None:
        """Raises `UnpinnedError` unless the study is the one that its plan gives."""
        self._hospital, self._spec = hospital, spec
        try:
            self._plan = queries.plan_of(spec.training)
        except Refusal as refusal:
            raise UnpinnedError(f"count {spec.name} asks what cannot be counted", "have it asked again") from refusal
        derived = counting.spec_of(spec.name, spec.purpose, spec.training, spec.uses, spec.colluders, spec.deadlines)
        if derived != spec:
            raise UnpinnedError(f"count {spec.name} pins what does not follow from its plan", "have it asked again")
        self._people: int | None = None

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """The number of people, counted once; it stays in this process."""
        if self._people is None:
            self.read()
            use = self._spec.use(self._hospital.organisation)
            self._people = count_people(self._hospital.vault, use.dataset, use.version, self._plan.query)
        return np.array([self._people], np.int64)

    def read(self) -> None:
        """Find that the records are those that were published. Raises `UnpublishedDataError` and `NotApprovedError`."""
        hospital, spec, use = self._hospital, self._spec, self._spec.use(self._hospital.organisation)
        if not approvals.authorised(hospital.node.state, hospital.organisation, spec.digest, hospital.node.now_ms()):
            what = f"no record is opened for count {spec.name} without a permit in force"
            raise NotApprovedError(what, "its hospital allows it again, or it takes no further part")
        require_published(
            hospital.vault, hospital.store, hospital.node.state, use.organisation, use.dataset, use.version
        )

    def use_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Nothing is predicted."""

    @property
    def initial(self) -> NoReturn:
        """A count has no model."""
        raise UnpinnedError(f"count {self._spec.name} has no model")

    @property
    def trainer(self) -> NoReturn:
        """A count trains nothing."""
        raise UnpinnedError(f"count {self._spec.name} trains nothing")
