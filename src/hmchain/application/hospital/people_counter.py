"""The part of a hospital that a count asks for: how many people, of records that are those that were published."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.cohort.counting import count_people
from hmchain.application.consent.usable import Usable
from hmchain.application.hospital.authority import require_authorised
from hmchain.application.hospital.published_data import require_published
from hmchain.application.hospital.study_records import StudyRecords
from hmchain.application.learning.trainers.worker import PATIENCE_SECONDS, StillAtWorkError
from hmchain.canonical import digest
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.transactions import Refusal
from hmchain.records.vault import Vault

if TYPE_CHECKING:
    from hmchain.application.hospital.hospital import Hospital


AGAIN_SECONDS = 30.0
"""After so long the store may be there again."""


class PeopleCounter:
    """A `Learner` that learns nothing: its only class is the people of whom the query is true."""

    has_read = False

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
        self._records = StudyRecords(hospital, spec)
        self._usable: Usable | None = None
        self._people: set[str] = set()
        """Pseudonyms of those who were counted; they stay in this process."""
        self._renewed: tuple[int, int] | None = None
        self._counting: Future[tuple[int, bytes]] | None = None
        self._is_let_go = threading.Event()
        self._failed: tuple[float, BaseException] | None = None

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """The number of people, counted once; it stays in this process. Raises as `read`."""
        return np.array([self._counted()[0]], np.int64)

    @property
    def data(self) -> bytes:
        """Digest of the records that were counted. Raises as `read`."""
        return self._counted()[1]

    def _counted(self) -> tuple[int, bytes]:
        self.read()
        assert self._counting is not None
        return self._counting.result()

    def read(self) -> None:
        """Count, in a thread of its own, of records that were found to be those that were published.

        Raises `UnpublishedDataError`, `NotApprovedError`, or `StillAtWorkError` until it is done: the agent has other
        work meanwhile. What failed is told for a while, and then tried again: it reads all records from the first.
        """
        if self._counting is None:
            self._require_allowed()
            if self._failed is not None and time.monotonic() < self._failed[0] + AGAIN_SECONDS:
                raise self._failed[1]
            self._usable, self._people = self._records.usable(), set()
            self._counting, self._is_let_go = Future(), threading.Event()
            work = (self._usable, self._people, self._counting, self._is_let_go)
            threading.Thread(target=self._count, args=work, name="count", daemon=True).start()
        if not wait([self._counting], PATIENCE_SECONDS).done:
            raise StillAtWorkError(f"count {self._spec.name}: people are being counted")
        if (error := self._counting.exception()) is not None:  # a store's timeout among them
            self._counting, self._failed = None, (time.monotonic(), error)
            raise error

    def _require_allowed(self) -> None:
        hospital, spec, use = self._hospital, self._spec, self._spec.use(self._hospital.organisation)
        require_authorised(hospital, spec, f"no record is opened for count {spec.name}")
        require_published(
            hospital.vault, hospital.store, hospital.node.state, use.organisation, use.dataset, use.version
        )

    def _count(
        self, usable: Usable, found: set[str], counted: Future[tuple[int, bytes]], is_let_go: threading.Event
    ) -> None:
        """Count with a handle on the vault of the thread's own, as long as it is not let go."""
        hospital, place = self._hospital, (usable.dataset, usable.version)

        def go_on(done: int, of: int | None) -> None:
            if is_let_go.is_set():
                raise CancelledError

        try:
            with Vault.look(hospital.folder.vault, hospital.folder.store(), hospital.keys.wrapping) as vault:
                before = vault.leaves(*place)
                people = count_people(vault, usable, self._plan.query, go_on, counted=found)
                after = vault.leaves(*place)  # what is erased meanwhile makes them other records
                apart = (usable.stamp,) if usable.left_out else ()
                counted.set_result((people, digest("hmchain counted records", *before, *after, *apart)))
        except BaseException as error:
            counted.set_exception(error)

    def renew(self, place: tuple[int, int]) -> None:
        """Count anew if other records may be counted now, once for each round and attempt. Raises as `read`."""
        if self._renewed != place:
            if self._usable is not None and self._records.usable().stamp != self._usable.stamp:
                self.let_go()
            self._renewed = place
        self.read()
        assert self._usable is not None
        self._records.note(place[0], self._usable.alone(self._people))

    def let_go(self) -> None:
        """Forget the number; a thread that counts reads nobody more."""
        self._is_let_go.set()
        self._counting = None

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
