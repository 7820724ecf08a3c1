"""A trainer of somebody's own: what a data scientist writes, on numpy arrays. Numbers in, numbers out.

Rounds, masks, sums and the ledger are the agent's. It asks a trainer for a first model, for one training a round, and
for the score of a model; what comes back is checked before it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hmchain.ledger.contracts.data.datasets import Schema

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]
"""A model: arrays by name."""
Option: TypeAlias = bool | int | float | str | list[bool | int | float | str]
Inputs: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint8]

TABLE = "table"
"""The modality of rows begins with it."""


def is_rows(schema: Schema) -> bool:
    """True if a dataset's records are rows of numbers, and no images."""
    return schema.modality.startswith(TABLE) and schema.channels == schema.height == 1


@dataclass(frozen=True)
class Examples:
    """Records to learn from, decrypted: `inputs` are rows (n, width), float32, or images (n, h, w, channels), uint8."""

    inputs: Inputs
    labels: npt.NDArray[np.int64]
    """Shape (n,): the place of each one's class among `schema.classes`."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: npt.NDArray[np.int64]) -> Examples:
        """Some of them, by their places."""
        return Examples(self.inputs[chosen], self.labels[chosen])

    def as_read_only(self) -> Examples:
        """The same, which a slip of the code that gets them cannot change for later calls."""
        inputs, labels = self.inputs.view(), self.labels.view()
        inputs.flags.writeable = labels.flags.writeable = False
        return Examples(inputs, labels)


class Trainer(ABC):
    """A model and the way in which one hospital trains it: give it these methods, in a file of its own.

    One is made for each study, at every hospital, with what the study pins. Keep nothing in it from call to call: an
    agent may start again at any time.
    """

    def __init__(self, schema: Schema, options: Mapping[str, Option]) -> None:
        """`schema` says what the inputs look like (`width` of rows, `classes`); `options` are those of study.toml."""
        self.schema = schema
        self.options = options

    @abstractmethod
    def initial(self, random: np.random.Generator) -> Mapping[str, npt.NDArray[Any]]:
        """The first model, by `random` alone: every hospital makes it, and all must get the same numbers."""

    @abstractmethod
    def train(
        self, weights: Weights, data: Examples, round: int, random: np.random.Generator
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Train a copy of the joint model on the hospital's records in a round counted from 0; returns the arrays.

        `data` is an eighth of the hospital's training records, drawn in secret for each round anew.
        """

    @abstractmethod
    def score(self, weights: Weights, data: Examples) -> float:
        """How good a model is on the hospital's validation records, read-only: from 0 to 1, higher is better."""

    def predict(self, weights: Weights, inputs: Inputs) -> npt.NDArray[Any]:
        """Shares of each class, shape (n, classes). Only who uses the model asks for them."""
        raise NotImplementedError(f"{type(self).__name__} has no predict")
