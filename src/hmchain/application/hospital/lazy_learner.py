"""A learner that decrypts its records when it is first asked to use them, whatever trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.application.consent.usable import Usable
from hmchain.application.hospital.study_records import StudyRecords
from hmchain.application.learning.trainers.local import LocalTrainer

Counts = npt.NDArray[np.int64]


def _nothing() -> None:
    """It works in no process of its own."""


class LearnerData(NamedTuple):
    """A learner's data once it has read them."""

    trainer: LocalTrainer
    class_counts: Counts
    data: bytes
    """Digest of what is trained on: other records, another digest."""
    use_counts: Callable[[Counts], None]
    """Tells the trainer the class counts of all participants together."""
    usable: Usable
    """The records that it was made of."""
    end: Callable[[], None] = _nothing
    """Ends a process in which it works."""


class LazyLearner:
    """A `Learner` of one study.

    An agent may be started in a study whose approval was taken back: it still owes the others the seeds of its last
    update, and for those no record is needed.
    """

    def __init__(
        self, first: Callable[[], npt.NDArray[np.float32]], load: Callable[[], LearnerData], asking: StudyRecords
    ) -> None:
        """`first` gives the first model; `load` reads the data that `asking` lets it have."""
        self._first = first
        self._load = load
        self._asking = asking
        self._asked: tuple[int, int] | None = None
        self._loaded: LearnerData | None = None
        self._counts: Counts | None = None

    @property
    def initial(self) -> npt.NDArray[np.float32]:
        """The first model."""
        return self._first()

    @property
    def trainer(self) -> LocalTrainer:
        """Trains and evaluates, with the class counts that `use_counts` was given."""
        return self._data().trainer

    @property
    def class_counts(self) -> Counts:
        """Training records of each class."""
        return self._data().class_counts

    @property
    def data(self) -> bytes:
        """Digest of the training records and their labels."""
        return self._data().data

    def use_counts(self, counts: Counts) -> None:
        """Let the trainer know the class counts of all participants together, now or once it is there."""
        self._counts = counts
        if self._loaded is not None:
            self._loaded.use_counts(counts)

    def read(self) -> None:
        """Decrypt the records now. Raises what `Hospital.cohort` raises."""
        self._data()

    def renew(self, place: tuple[int, int]) -> None:
        """Ask anew which records may be used, once for each round and attempt, and read those if they are others."""
        if self._asked == place:
            return
        if self._loaded is not None and self._asking.usable().stamp != self._loaded.usable.stamp:
            self.let_go()
        self._asking.note(place[0], self._data().usable)
        self._asked = place

    def let_go(self) -> None:
        """Forget the records, and end what works on them. Asked again it reads them as at first, if it may."""
        if self._loaded is not None:
            self._loaded.end()
            self._loaded = None

    def _data(self) -> LearnerData:
        if self._loaded is None:
            self._loaded = self._load()
            if self._counts is not None:
                self._loaded.use_counts(self._counts)
        return self._loaded


def records_digest(inputs: npt.NDArray[np.generic], labels: npt.NDArray[np.int64]) -> bytes:
    """Of what is trained on (32 bytes)."""
    given, said = np.ascontiguousarray(inputs), np.ascontiguousarray(labels, np.int64)
    return blake3(given.reshape(-1).view(np.uint8).data).update(said.view(np.uint8).data).digest()
