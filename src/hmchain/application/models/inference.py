"""Model files: what they hold, and whether they are the ledger's.

torch takes seconds to import, and comes when a file is read; what its allocator is told must come before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.learning.memory import tune_allocator
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.readers.ledger import LedgerReader

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model, Origin, RegisteredModels, Registry
    from hmchain.application.learning.trainers.cnn import Architecture, Preprocessing

MATCHES, DIFFERS, UNKNOWN = "matches", "differs", "unknown"


@dataclass(frozen=True)
class ModelFile:
    """A model file."""

    path: Path
    sha256: bytes
    architecture: Architecture
    weights: int
    preprocessing: Preprocessing
    origin: Origin | None
    """What it says of where it comes from."""
    ledger: str
    """Whether weights and meaning are those of the ledger: `matches`, `differs`, or `unknown` where there is none."""
    difference: str
    """What differs from the ledger, or why it was not compared."""


def known(ledger: LedgerReader) -> RegisteredModels:
    """The models of a ledger, to hold files against."""
    tune_allocator()
    from hmchain.application.learning import model_file

    return model_file.RegisteredModels(ledger.genesis.digest, tuple(models.models(ledger.verified.state)))


def describe(path: Path, registry: Registry | None) -> ModelFile:
    """Read a model file and hold it against a ledger, if there is one. Raises `ModelFileError`."""
    tune_allocator()
    from hmchain.application.learning import model_file

    model = model_file.load_model(path, unregistered=True)
    if registry is None:
        return described(path, model, UNKNOWN, "there is no ledger here to compare it with")
    try:
        model_file.check(model, registry, path)
    except model_file.ModelDiffersError as error:
        return described(path, model, DIFFERS, error.what)
    except model_file.UnregisteredModelError as error:
        return described(path, model, UNKNOWN, error.what)
    return described(path, model, MATCHES, "")


def described(path: Path, model: Model, compared: str, difference: str) -> ModelFile:
    """A model that was read from a file, and what came of comparing it with a ledger."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return ModelFile(
        path, digest, model.arch, model.vector.size, model.preprocessing, model.origin, compared, difference
    )
