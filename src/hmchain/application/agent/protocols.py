"""What an agent stands on and others give it: learners, and randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from hmchain.ledger.contracts.learning.studies import StudySpec

if TYPE_CHECKING:
    from hmchain.application.learning.trainers.local import LocalTrainer

Random = Callable[[int], bytes]
"""Gives so many secret random bytes: `secrets.token_bytes`, but for simulations that must repeat."""


class Outgoing(Enum):
    """What an agent sends, sealed."""

    STUDY_KEYS = "study-keys"
    UPDATE = "update"
    MODEL = "model"
    EVIDENCE = "evidence"
    COPY = "copy"
    """An object that the store had lost."""


Leaving = Callable[[Outgoing, str, int, int], None]
"""Told what is about to leave the hospital: its study, the round, and how many bytes."""


class Learner(Protocol):
    """What an agent trains with. `initial` needs no data; the hospital's own is read for the others, once."""

    @property
    def initial(self) -> npt.NDArray[np.float32]:
        """The first model that architecture and seed give."""

    @property
    def trainer(self) -> LocalTrainer:
        """Trains and evaluates; reads the data."""

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """Training records of each class; reads the data."""

    def use_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Take the class counts of all participants together (noised), for prediction."""

    def read(self) -> None:
        """Read the data now, so that what is missing shows before others count on it."""

    @property
    def data(self) -> bytes:
        """Digest of the records that it trains on; reads them."""

    def let_go(self) -> None:
        """Forget the records, and end what works on them: they are not to be used any more."""

    def renew(self, place: tuple[int, int]) -> None:
        """Ask anew which records may be used, once for each round and attempt, and read those.

        Whoever withdrew is in no later one. Raises what `read` raises.
        """


@dataclass(frozen=True)
class ReadyLearner:
    """A learner whose data has been read."""

    trainer: LocalTrainer
    class_counts: npt.NDArray[np.int64]
    use_counts: Callable[[npt.NDArray[np.int64]], None]
    initial: npt.NDArray[np.float32]
    data: bytes = b""

    def read(self) -> None:
        """Nothing is left to read."""

    def let_go(self) -> None:
        """They are another's."""

    def renew(self, place: tuple[int, int]) -> None:
        """They are another's."""


LearnerFactory = Callable[[StudySpec], Learner]
"""Builds the learner of a study, or raises `pins.UnpinnedError` if the study pins a model or code that is not ours."""
